// SequenceSetting: setval on a sequence that the shards share: each of them goes on with its own part of the numbers, so that
// all are told, by the function of schema pgbraid that knows the shard's part.
import CPGQuery

extension StatementPlanner {
    /// The plan of a statement that calls setval; nil if it calls it not, or for a temporary sequence.
    /// - Throws: if its arguments need the rows of sharded tables.
    func planSettingOfSequence(_ usage: StatementUsage, _ commandName: String, effect: DataEffect) throws(Refusal) -> StatementPlan? {
        let calls = binder.calls.map(\.node).filter(isSetval)
        guard context.environment.shardCount > 1, let first = calls.first, !usage.hasTemporary, !calls.allSatisfy(setsTemporary) else {
            return nil
        }
        guard !usage.hasSharded, !usage.hasSystem, !usage.hasSessionFunctions, !usage.hasVolatileFunctions,
            usage.unknownFunction == nil, usage.textFunction == nil, effect == .reads, commandName == "SELECT",
            binder.calls.allSatisfy({ !isNextval($0.node) }), !calls.contains(where: setsTemporary)
        else {
            throw Refusal(
                "0A000", "setval must have arguments that are the same on all shards",
                hint: "Read the value first, then SELECT setval(...) with it.",
                position: context.position(Int(first.pointee.location)))
        }
        let tokens = try StatementTokens(context)
        var editing = TextEditing(context)
        for call in calls {
            let name = tokens.tokens.drop { $0.range.lowerBound < Int(call.pointee.location) }
                .prefix { $0.kind != PG_QUERY__TOKEN__ASCII_40 }
            guard let begin = name.first?.range.lowerBound, let end = name.last?.range.upperBound else {
                throw Refusal("XX000", "the call of setval was not found in the text")
            }
            editing.replace(begin..<end, with: "pgbraid.setval")
        }
        return plan(
            .modify(.all, text: editing.text(of: context.range), tag: .first), commandName, usage, effect: .unknown,
            reason: "all shards: each goes on with its part of the numbers")
    }

    private func isSetval(_ call: Message<PgQuery__FuncCall>) -> Bool { isSequenceWrite(call, named: "setval") }

    private func isNextval(_ call: Message<PgQuery__FuncCall>) -> Bool { isSequenceWrite(call, named: "nextval") }

    private func isSequenceWrite(_ call: Message<PgQuery__FuncCall>, named name: String) -> Bool {
        NodeList(call.pointee.funcname, call.pointee.n_funcname).strings.last == name && context.facts(of: call)?.effect == .sequenceWrite
    }

    private func setsTemporary(_ call: Message<PgQuery__FuncCall>) -> Bool {
        guard let argument = NodeList(call.pointee.args, call.pointee.n_args).first ?? nil,
            case .string(let name)? = (argument.literal ?? argument.typeCast.flatMap { Node($0.pointee.arg)?.literal })?.value
        else { return false }
        let words = name.split(separator: ".").map { $0.filter { $0 != "\"" } }
        return words.last.map { context.isTemporary(schema: words.count > 1 ? words[0] : nil, name: $0) } ?? false
    }
}
