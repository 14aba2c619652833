// BoundParameters: the values a Bind message gives, with the types the statement's parameters have.
import WireProtocol

/// A view of the parameters of one execution; valid as long as the Bind frame and the types stay in memory.
public struct BoundParameters {
    private let bind: BindMessage?
    private let typeOIDs: UnsafeBufferPointer<UInt32>

    /// - Parameter typeOIDs: types of `$1`, `$2`, ... as ParameterDescription told them or Parse declared them; 0 or missing
    ///   where nobody knows: the type of the column that the parameter is compared with.
    public init(bind: BindMessage, typeOIDs: UnsafeBufferPointer<UInt32>) {
        self.bind = bind
        self.typeOIDs = typeOIDs
    }

    private init() {
        bind = nil
        typeOIDs = UnsafeBufferPointer(start: nil, count: 0)
    }

    /// For statements of the simple protocol.
    public static var none: BoundParameters { BoundParameters() }

    /// One value.
    struct Value {
        /// nil: NULL.
        var bytes: UnsafeRawBufferPointer?
        var format: FormatCode
        /// 0: not known.
        var typeOID: UInt32
    }

    /// The value of `$number`; nil if there is none. O(number).
    @inline(__always)
    func value(_ number: Int) -> Value? {
        guard let bind, number >= 1, number <= bind.parameterCount else { return nil }
        let parameter = bind.parameter(number - 1)
        let typeOID = number <= typeOIDs.count ? typeOIDs[number - 1] : 0
        return Value(bytes: parameter.value, format: parameter.format, typeOID: typeOID)
    }
}
