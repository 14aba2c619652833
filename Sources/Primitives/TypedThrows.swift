// TypedThrows: access to an array's bytes that keeps the type of the error thrown inside.

extension [UInt8] {
    /// Calls `body` with the bytes, as `withUnsafeBytes` does, and throws what it throws with its type.
    @inlinable
    public func withBytes<Value, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Value
    ) throws(Failure) -> Value {
        let result: Result<Value, Failure> = withUnsafeBytes { bytes in
            do throws(Failure) {
                return .success(try body(bytes))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }
}
