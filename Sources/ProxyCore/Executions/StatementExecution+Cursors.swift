// DECLARE, FETCH, MOVE and CLOSE: to the link on which the cursor lives, or to what the proxy itself keeps of it.
import Primitives
import QueryPlanning
import ResultMerging
import WireProtocol

extension StatementExecution {
    func cursor(_ command: CursorCommand) {
        guard let detail = record.pointee.detail else { return }
        switch command {
        case .declare(let declaration): declare(declaration)
        case .fetch(let name, let movement): use(name, movement, .fetch)
        case .move(let name, let movement): use(name, movement, .move)
        case .execute(let name, let movement): use(name, movement, .execute)
        case .close(let name): close(name, detail)
        case .closeAll:
            // Portals of the protocol are closed by it, too.
            let links = Set(detail.cursors.links + (detail.transaction?.participants.map(\.link) ?? []))
            afterwards = { [worker, session] in
                detail.cursors.removeAll()
                detail.portals = [:]
                worker.sessions.at(session).pointee.hasPortals = false
                worker.tellComplete(session, "CLOSE CURSOR ALL")
            }
            run(BroadcastExecution(worker: worker, session: session, parent: self, text: "CLOSE ALL", links: links.sorted()))
        }
    }

    private func close(_ name: String, _ detail: SessionDetail) {
        guard let cursor = detail.cursors.sharded(name) else {
            afterwards = { detail.cursors.remove(name) }
            return passToCursor(name)
        }
        detail.cursors.remove(name)
        afterwards = { [worker, session] in worker.tellComplete(session, "CLOSE CURSOR") }
        guard let streamed = cursor as? StreamedCursor else { return completed() }
        run(
            BroadcastExecution(
                worker: worker, session: session, parent: self, text: "CLOSE \(streamed.shardName)",
                links: worker.links(of: streamed, session)))
    }

    private func declare(_ declaration: CursorDeclaration) {
        if let problem = worker.problem(declaration, session) { return fail(problem) }
        switch declaration.query {
        case .oneShard(let route):
            afterwards = { [worker, session] in
                let cursor = worker.declared(.link(worker.lastPassedLink), isHeld: declaration.isHeld, session)
                worker.sessions.at(session).pointee.detail?.cursors.insert(declaration.name, cursor)
            }
            route_(route)
        case .severalShards(let plan, let range): declare(declaration, plan, range)
        }
    }

    /// Declares a cursor over several shards: one whose rows are read as they are fetched, or one that holds them.
    private func declare(_ declaration: CursorDeclaration, _ plan: StatementPlan, _ range: Range<Int>) {
        let isHeld = declaration.isHeld || declaration.scrolling == .scroll
        guard !isHeld, let streamed = plan.streamed, record.pointee.detail?.transaction != nil else {
            return run(
                DeclareCursorExecution(
                    worker: worker, session: session, parent: self, call: call, declaration: declaration, plan: plan, range: range))
        }
        let query = call.inner(plan, at: range, formats: [])
        let window: RowWindow
        do throws(MergeError) {
            window = try query.window(of: streamed.scatter)
        } catch {
            return fail(error.asError)
        }
        shards(streamed.route) { shards in
            run(
                DeclareStreamExecution(
                    worker: worker, session: session, parent: self, call: query, name: declaration.name, isBinary: declaration.isBinary,
                    scatter: streamed.scatter, window: window, shards: shards))
        }
    }

    private func use(_ name: String, _ movement: CursorMovement, _ use: CursorUse) {
        let cursor = record.pointee.detail?.cursors.sharded(name)
        if let held = cursor as? HeldCursor {
            run(
                HeldCursorExecution(
                    worker: worker, session: session, parent: self, call: call, cursor: held, movement: movement, use: use))
        } else if let streamed = cursor as? StreamedCursor {
            run(
                StreamedCursorExecution(
                    worker: worker, session: session, parent: self, call: call, cursor: streamed, movement: movement, use: use))
        } else {
            passToCursor(name)
        }
    }

    /// Passes the statement to the link on which the cursor lives.
    private func passToCursor(_ name: String) {
        guard let link = record.pointee.detail?.cursors.link(of: name) else {
            return fail(DatabaseMessage(error: .invalidCursorName, "cursor \"\(name)\" does not exist"))
        }
        pass(to: worker.links.at(link).pointee.shard)
    }
}
