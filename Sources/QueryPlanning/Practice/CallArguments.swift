// CallArguments: the arguments of a call that the proxy itself carries out, by their names.
import CPGQuery

/// A function that the proxy carries out.
struct CarriedFunction {
    /// As it is called, with its schema where it needs one.
    var name: String
    /// In order. A call may leave out those behind `neededCount`.
    var argumentNames: [String]
    var neededCount: Int
    /// Types besides texts that its arguments have.
    var casts: Set<String> = []
    /// How it is called.
    var verb = "SELECT"

    /// The arguments of a call, in the function's order; nil where one is left out.
    /// - Throws: 42883 for arguments that it has not, or takes only as constants and parameters.
    func arguments(of call: Message<PgQuery__FuncCall>) throws(Refusal) -> [SettingCall.Operand?] {
        var found: [SettingCall.Operand?] = Array(repeating: nil, count: argumentNames.count)
        for (index, node) in NodeList(call.pointee.args, call.pointee.n_args).nodes.enumerated() {
            let named = node.namedArgExpr
            let given = named.map { text($0.pointee.name) }
            guard let place = given.map({ argumentNames.firstIndex(of: $0) }) ?? (index < argumentNames.count ? index : nil), found[place] == nil else {
                throw misused("has no argument \(given.map { "\"\($0)\"" } ?? "\(index + 1)")")
            }
            guard let value = named.map({ Node($0.pointee.arg) }) ?? node, let operand = SettingCall.Operand(value, casts: casts) else {
                throw misused("takes constants and parameters only")
            }
            found[place] = operand
        }
        guard found.prefix(neededCount).allSatisfy({ $0 != nil }) else { throw misused("needs more arguments") }
        return found
    }

    private func misused(_ problem: String) -> Refusal {
        let names = argumentNames.enumerated().map { $0 < neededCount ? $1 : "[\($1)]" }
        return Refusal("42883", "function \(name) \(problem)", hint: "\(verb) \(name)(\(names.joined(separator: ", "))).")
    }
}
