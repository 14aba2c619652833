// BuiltInFunctions: the table of PostgreSQL's functions, read once.

/// One function of PostgreSQL.
struct BuiltInFunction: Sendable, Equatable {
    var kind: FunctionFacts.Kind
    var volatility: Volatility
    var isStrict: Bool
    var returnsSet: Bool
    var argumentTypeOIDs: [UInt32]
    var defaultedArgumentCount: Int
    var isVariadic: Bool
    var returnTypeOID: UInt32

    /// Whether a call with this many arguments can mean this function.
    func accepts(argumentCount: Int) -> Bool {
        let least = argumentTypeOIDs.count - defaultedArgumentCount
        return argumentCount >= least - (isVariadic ? 1 : 0) && (isVariadic || argumentCount <= argumentTypeOIDs.count)
    }
}

enum BuiltInFunctions {
    /// All by name.
    static let byName: [String: [BuiltInFunction]] = {
        var functions: [String: [BuiltInFunction]] = [:]
        BuiltInFunctionTable.text.withUTF8Buffer { table in
            for entry in table.split(separator: UInt8(ascii: ";")) {
                let words = entry.drop { $0 == UInt8(ascii: "\n") }.split(separator: UInt8(ascii: " "))
                guard let name = words.first else { continue }
                functions[String(decoding: name, as: UTF8.self)] = read(words.dropFirst())
            }
        }
        return functions
    }()

    private static func read(_ words: ArraySlice<Slice<UnsafeBufferPointer<UInt8>>>) -> [BuiltInFunction] {
        var flags: BuiltInFunction?
        return words.compactMap { word -> BuiltInFunction? in
            let text = String(decoding: word, as: UTF8.self)
            guard let arrow = text.firstIndex(of: ">") else {
                flags = BuiltInFunction(flags: text)
                return nil
            }
            return flags?.with(arguments: text[..<arrow], result: text[text.index(after: arrow)...])
        }
    }
}

extension BuiltInFunction {
    /// Reads a flag word such as `fix`; nil for anything else.
    fileprivate init?(flags: String) {
        let kinds: [Character: FunctionFacts.Kind] = ["f": .function, "a": .aggregate, "w": .window, "p": .procedure]
        guard let kind = flags.first.flatMap({ kinds[$0] }),
            let volatility = Volatility(catalogCode: String(flags.dropFirst().prefix(1)))
        else { return nil }
        self.init(
            kind: kind, volatility: volatility, isStrict: flags.dropFirst(2).contains("x"),
            returnsSet: flags.dropFirst(2).contains("r"), argumentTypeOIDs: [], defaultedArgumentCount: 0, isVariadic: false,
            returnTypeOID: 0)
    }

    /// Reads a signature such as `23,25?1` and `16`.
    fileprivate func with(arguments: Substring, result: Substring) -> BuiltInFunction {
        var function = self
        function.isVariadic = arguments.last == "*"
        let parts = (arguments.split(separator: "*").first ?? "").split(separator: "?")
        function.argumentTypeOIDs = (parts.first ?? "").split(separator: ",").compactMap { UInt32($0) }
        function.defaultedArgumentCount = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
        function.returnTypeOID = UInt32(result) ?? 0
        return function
    }
}
