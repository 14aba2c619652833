// CStrings: Swift's texts for the C libraries of the brokers.
import Glibc

extension [String] {
    /// C strings that hold for as long as `body` runs.
    func withPointers<Result>(_ body: ([UnsafePointer<CChar>?]) -> Result) -> Result {
        let copies = map { strdup($0) }
        defer { copies.forEach { free($0) } }
        return body(copies.map { UnsafePointer($0) })
    }
}
