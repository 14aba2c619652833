// KeyedFunction: functions that are declared to need one shard: COMMENT ON FUNCTION f IS 'pgbraid: key = argument n', or 'pgbraid: local'.
//
// A statement of such a call and no sharded table of its own goes to the shard of the argument's value, or to the one that the transaction
// writes.
import CPGQuery
import ShardMap

/// Where a function is declared to run.
public enum FunctionPlace: Sendable, Equatable {
    /// On the shard whose key the argument at this place is, from 1.
    case key(argument: Int, typeOID: UInt32)
    /// On the shard that the transaction writes, as rows of local tables are there.
    case writer
}

extension CatalogFunction {
    /// What its comment declares; nil for nothing, and where no argument can be the key.
    var declaredPlace: FunctionPlace? {
        guard kind == "f", let comment, let mark = comment.firstRange(of: "pgbraid:") else { return nil }
        let words = comment[mark.upperBound...].split { " =\n\t;.".contains($0) }.prefix(3)
        if words.first == "local" { return .writer }
        guard words.count == 3, words[0] == "key", words[1] == "argument", let argument = Int(words[2]),
            argumentTypeOIDs.indices.contains(argument - 1)
        else { return nil }
        return .key(argument: argument, typeOID: argumentTypeOIDs[argument - 1])
    }
}

extension StatementPlanner {
    /// Where a statement goes whose functions read by key.
    /// - Throws: where that is not one shard for certain.
    func routeOfKeyedCalls(_ usage: StatementUsage) throws(Refusal) -> (Route, String) {
        let name = usage.unknownFunction ?? ""
        guard usage.keyedCalls.count == 1, !context.acrossShards, !usage.hasTemporary, !usage.hasSystem, !usage.hasSessionFunctions,
            !usage.hasSequenceReads, !usage.hasWritingFunctions, !usage.hasCatalogFunctions
        else {
            throw Refusal(
                "0A000", "function \(name), which belongs to one shard, cannot be used together with others that belong to one server",
                hint: "Call one such function in a statement.")
        }
        let (call, place) = usage.keyedCalls[0]
        guard case .key(let argument, let typeOID) = place else { return (.writer, "function \(name) runs where the transaction writes") }
        let arguments = NodeList(call.node.pointee.args, call.node.pointee.n_args).nodes
        guard arguments.indices.contains(argument - 1), arguments[argument - 1].namedArgExpr == nil, let placement = placement(ofKey: typeOID, call),
            let term = binder.constantTerm(arguments[argument - 1]), let operand = context.operand(term, placement.keyType)
        else {
            throw Refusal(
                "0A000", "function \(name) reads by key, and argument \(argument) of this call is no key that is known",
                hint: "Give it a constant or a parameter of the key's type, in its place.")
        }
        return (.keys([KeyCondition(placement: placement, operands: [operand])]), "function \(name) reads by argument \(argument)")
    }

    /// How keys of a type are placed; nil where tables differ in it.
    private func placement(ofKey typeOID: UInt32, _ call: BoundCall) -> KeyPlacement? {
        guard let type = KeyType(typeOID: typeOID) else { return nil }
        if NodeList(call.node.pointee.funcname, call.node.pointee.n_funcname).strings.first == ProxyTables.schema { return KeyPlacement(keyType: type, method: .hash) }
        var methods: Set<PlacementMethod> = []
        for relation in context.environment.catalog.relations {
            if case .sharded(_, let placement) = relation.placement, placement.keyType.family == type.family { methods.insert(placement.method) }
        }
        return methods.count == 1 ? methods.first.map { KeyPlacement(keyType: type, method: $0) } : nil
    }
}
