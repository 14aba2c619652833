// StatementExecution+Shards: statements that need several shards, each by an execution of its own, and those that one certain shard serves.
import Primitives
import QueryPlanning
import ResultMerging
import WireProtocol

extension StatementExecution {
    func scatter(_ route: Route, _ plan: ScatterPlan) {
        if plan.hasOtherParameters, call.hasOpenParameters {
            return run(ParameterTypesExecution(worker: worker, session: session, parent: self, call: call))
        }
        let window: RowWindow
        do throws(MergeError) {
            window = try call.window(of: plan)
        } catch {
            return fail(error.asError)
        }
        shards(route) { shards in
            if let finisher = plan.finisher {
                run(
                    FinisherExecution(
                        worker: worker, session: session, parent: self, call: call, plan: plan, finisher: finisher, shards: shards))
            } else {
                run(
                    ScatterExecution(
                        worker: worker, session: session, parent: self, call: call, plan: plan, window: window, shards: shards))
            }
        }
    }

    func modify(_ route: Route, text: String?, _ tag: TagCombination) {
        shards(route) { shards in
            let text = text.map { Array($0.utf8) } ?? call.text
            run(
                ModifyExecution(worker: worker, session: session, parent: self, call: call, shards: shards, texts: [text], tag: tag))
        }
    }

    func modifyFetched(_ route: Route, _ plan: FetchedModificationPlan) {
        if call.hasOpenParameters {
            return run(ParameterTypesExecution(worker: worker, session: session, parent: self, call: call))
        }
        shards(route) { shards in
            run(FetchedModifyExecution(worker: worker, session: session, parent: self, call: call, plan: plan, shards: shards))
        }
    }

    func insert(_ plan: InsertPlan) {
        let split: InsertSplit
        do throws(Refusal) {
            split = try worker.split(plan, call: call, session: session)
        } catch {
            return fail(DatabaseMessage(error))
        }
        let execution = ModifyExecution(
            worker: worker, session: session, parent: self, call: call, shards: split.shards, texts: split.texts, tag: .sum)
        if plan.hasReturning, split.shards.count > 1 { execution.restoreOrder(split.inputRows) }
        run(execution)
    }

    func copyIn(_ route: Route, _ plan: CopyInPlan) {
        if plan.key?.placement.keyType == .text, !worker.planningEnvironment(session).usesServerEncoding {
            return fail(
                DatabaseMessage(
                    error: .featureNotSupported, "COPY into a table sharded by text needs the server's client_encoding",
                    hint: "SET client_encoding TO UTF8."))
        }
        shards(route) { shards in
            run(CopyInExecution(worker: worker, session: session, parent: self, call: call, plan: plan, shards: shards))
        }
    }

    func copyOut(_ route: Route, _ text: String, _ options: CopyOptions) {
        shards(route) { shards in
            run(
                CopyOutExecution(
                    worker: worker, session: session, parent: self, call: call, text: Array(text.utf8), options: options, shards: shards))
        }
    }

    func shardByShard(_ route: Route) {
        if let refusal = call.refusalInBlock(record.pointee.detail?.transaction) { return fail(refusal) }
        shards(route) { shards in
            run(SerialExecution(worker: worker, session: session, parent: self, call: call, shards: shards))
        }
    }

    func explain(_ plan: ExplainPlan) {
        if plan.needsTypes, call.hasOpenParameters {
            return run(ParameterTypesExecution(worker: worker, session: session, parent: self, call: call))
        }
        run(ExplainExecution(worker: worker, session: session, parent: self, call: call, plan: plan))
    }

    /// NOTIFY goes out once, on the lowest shard, where LISTEN listens.
    func passNotification() {
        afterwards = { [weak self] in
            guard let transaction = self?.record.pointee.detail?.transaction, let place = transaction.participant(on: ShardIndex(0)) else { return }
            transaction.participants[place].obstacle = .notifications
            transaction.participants[place].effect = .writes
        }
        pass(to: ShardIndex(0))
    }
}

extension StatementCall {
    /// Why a statement that can be in no block is refused; nil outside of all. The words are those of PostgreSQL's PreventInTransactionBlock.
    func refusalInBlock(_ transaction: Transaction?) -> DatabaseMessage? {
        guard let transaction else { return nil }
        // Of these only the concurrent forms come here.
        let isIndex = plan.commandName == "CREATE INDEX" || plan.commandName == "DROP INDEX"
        let name = plan.commandName + (isIndex ? " CONCURRENTLY" : "")
        let isPipeline = !transaction.isExplicit && bind != nil
        return DatabaseMessage(
            error: .activeSQLTransaction, name + (isPipeline ? " cannot be executed within a pipeline" : " cannot run inside a transaction block"))
    }
}
