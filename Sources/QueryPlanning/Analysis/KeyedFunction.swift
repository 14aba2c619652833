// KeyedFunction: functions declared to read the rows of one key: COMMENT ON FUNCTION f IS 'pgbraid: key = argument n'.
//
// A statement of such a call and no sharded table of its own goes to the shard of the argument's value.
import CPGQuery
import ShardMap

/// The argument that says whose rows a function reads.
public struct FunctionKey: Sendable, Equatable {
    /// Its place, from 1.
    public var argument: Int
    public var typeOID: UInt32
}

extension CatalogFunction {
    /// The key its comment declares; nil for none, and where no argument can be it.
    var declaredKey: FunctionKey? {
        guard kind == "f", let comment, let mark = comment.firstRange(of: "pgbraid:") else { return nil }
        let words = comment[mark.upperBound...].split { " =\n\t;.".contains($0) }.prefix(3)
        guard words.count == 3, words[0] == "key", words[1] == "argument", let argument = Int(words[2]),
            argumentTypeOIDs.indices.contains(argument - 1)
        else { return nil }
        return FunctionKey(argument: argument, typeOID: argumentTypeOIDs[argument - 1])
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
                "0A000", "function \(name), which reads by key, cannot be used together with others that belong to one server",
                hint: "Call one function that reads by key in a statement.")
        }
        let (call, key) = usage.keyedCalls[0]
        let arguments = NodeList(call.node.pointee.args, call.node.pointee.n_args).nodes
        guard arguments.indices.contains(key.argument - 1), let placement = placement(ofKey: key.typeOID),
            let term = binder.constantTerm(arguments[key.argument - 1]), let operand = context.operand(term, placement.keyType)
        else {
            throw Refusal(
                "0A000", "function \(name) reads by key, and argument \(key.argument) of this call is no key that is known",
                hint: "Give it a constant or a parameter of the key's type.")
        }
        return (.keys([KeyCondition(placement: placement, operands: [operand])]), "function \(name) reads by argument \(key.argument)")
    }

    /// How keys of a type are placed; nil where tables differ in it.
    private func placement(ofKey typeOID: UInt32) -> KeyPlacement? {
        guard let type = KeyType(typeOID: typeOID) else { return nil }
        var methods: Set<PlacementMethod> = []
        for relation in context.environment.catalog.relations {
            if case .sharded(_, let placement) = relation.placement, placement.keyType.family == type.family { methods.insert(placement.method) }
        }
        return methods.count == 1 ? methods.first.map { KeyPlacement(keyType: type, method: $0) } : nil
    }
}
