// BoundParameters: the values a Bind message gives, with the types the statement's parameters have.
import CPGQuery
import WireProtocol

/// A view of the parameters of one execution; valid as long as the Bind frame and the types stay in memory.
public struct BoundParameters {
    private let bind: BindMessage?
    private let typeOIDs: UnsafeBufferPointer<UInt32>

    /// The type of a parameter that is mentioned several times and declared nowhere: the first mention gives it its type, whatever key it is
    /// compared with at another (`variable_paramref_hook` in src/backend/parser/parse_param.c). No type has this OID.
    public static let openType = UInt32.max

    /// The declared types, with `openType` where it is.
    public static func types(declared: [UInt32], in text: [UInt8]) -> [UInt32] {
        guard text.contains(UInt8(ascii: "$")), let tokens = Token.scan(String(decoding: text, as: UTF8.self), start: 0) else { return declared }
        var types = declared
        var mentioned: Set<Int> = []
        for token in tokens where token.kind == PG_QUERY__TOKEN__PARAM {
            let digits = text[(token.range.lowerBound + 1)..<token.range.upperBound]
            guard let number = Int(String(decoding: digits, as: UTF8.self)), (1...StatementSize.maximumParameterCount).contains(number),
                !mentioned.insert(number).inserted, number > declared.count || declared[number - 1] == 0
            else { continue }
            if types.count < number { types += Array(repeating: 0, count: number - types.count) }
            types[number - 1] = openType
        }
        return types
    }

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
