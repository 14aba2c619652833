// InsertSplit: the rows of one INSERT, by the shard of their key.
import Primitives
import QueryPlanning
import WireProtocol

/// One INSERT a shard.
struct InsertSplit {
    var shards: [ShardIndex]
    var texts: [[UInt8]]
    /// For each shard the numbers of the rows it gets, in the order of the statement.
    var inputRows: [[Int]]
}

extension Worker {
    /// Splits the rows of a multi-row INSERT by key.
    /// - Throws: for keys that are NULL or cannot be read.
    func split(_ plan: InsertPlan, call: StatementCall, session: Int32) throws(Refusal) -> InsertSplit {
        let usesServerEncoding = environments.at(sessions.at(session).pointee.environment)?.usesServerEncoding ?? true
        var rows: [[String]] = Array(repeating: [], count: shardCount)
        let bind = call.bind ?? []
        let placed: Result<[ShardIndex], Refusal> = call.text.withUnsafeBytes { text in
            bind.withUnsafeBytes { bytes in
                (call.routingTypes ?? call.parameterTypes).withUnsafeBufferPointer { types in
                    let message = call.bind == nil ? nil : try? BindMessage(bytes)
                    let resolver = RouteResolver(
                        map: cluster.map, text: text, parameters: message.map { BoundParameters(bind: $0, typeOIDs: types) } ?? .none,
                        usesServerEncoding: usesServerEncoding)
                    do throws(Refusal) {
                        return .success(try shards(of: plan, resolver))
                    } catch {
                        return .failure(error)
                    }
                }
            }
        }
        var inputRows: [[Int]] = Array(repeating: [], count: shardCount)
        for (number, shard) in try placed.get().enumerated() {
            rows[shard.int].append(plan.rows[number])
            inputRows[shard.int].append(number)
        }
        let used = rows.indices.filter { !rows[$0].isEmpty }
        return InsertSplit(
            shards: used.map { ShardIndex($0) },
            texts: used.map { Array((plan.textBefore + rows[$0].joined(separator: ", ") + plan.textAfter).utf8) },
            inputRows: used.map { inputRows[$0] })
    }

    private func shards(of plan: InsertPlan, _ resolver: RouteResolver) throws(Refusal) -> [ShardIndex] {
        var shards: [ShardIndex] = []
        for key in plan.keys {
            let condition = KeyCondition(placement: plan.placement, operands: [key], isStored: true, limit: plan.limit)
            guard case .shards(let set) = try resolver.resolve(.keys([condition])), set.count == 1, let shard = set.first else {
                throw Refusal("0A000", "the sharding key of a row cannot be read", hint: "Give the key as a literal or a parameter.")
            }
            shards.append(shard)
        }
        return shards
    }
}
