// StatementExecution+Replanning: statements whose final plan can only be made once something is known: drawn values, the types of
// all parameters, or that a route names several shards; and those whose tables have got other columns since. The new plan is carried out by
// an execution of its own.
import QueryPlanning
import WireProtocol

extension StatementExecution {
    /// Carries out the statement with the drawn values in its text.
    func performDrawn(_ values: [String?]) {
        guard let drawing = call.plan.drawing else { return }
        let text = Array(drawing.text(values: values).utf8)
        performPlanned { () throws(Refusal) in
            let plan = try worker.planner.planOnce(
                text: text, parameterTypes: call.parameterTypes, environment: worker.planningEnvironment(session), acrossShards: false)
            if plan.drawing != nil, case .refuse(let refusal) = plan.action { throw refusal }
            return call.replanned(plan, text: text)
        }
    }

    /// Plans the statement anew with the types of all parameters, and carries that out.
    func performTyped(_ types: [UInt32]) {
        performPlanned { () throws(Refusal) in
            let plan = try call.text.withBytes { (text) throws(Refusal) in
                try worker.planner.plan(text: text, parameterTypes: types, environment: worker.planningEnvironment(session)).first?.plan
            }
            guard let plan else { return nil }
            var typed = call.replanned(plan, text: call.text)
            typed.parameterTypes = types
            typed.describedTypes = []
            if typed.hasOpenParameters { throw Refusal("42P18", "could not determine data types of all parameters") }
            return typed
        }
    }

    /// The route names several shards: carries out a plan for those.
    func performAcrossShards() {
        performPlanned { () throws(Refusal) in
            try call.text.withBytes { (text) throws(Refusal) in
                try worker.planner.planAcrossShards(
                    text: text, parameterTypes: call.parameterTypes, environment: worker.planningEnvironment(session)).first?.plan
            }.map { call.replanned($0, text: call.text) }
        }
    }

    /// Its tables' columns are others than it was planned for: begins anew with the catalog as it is now, once, where nothing of it is known to
    /// anybody.
    func replan(_ scatter: ScatterExecution) {
        guard replanning == .possible, record.pointee.detail?.transaction == nil, !scatter.hasTold else {
            return fail(.columnsChanged)
        }
        replanning = .awaitsCatalog
        if !worker.cluster.isCatalogOld { worker.catalogChanged() }
        resume()
    }

    func performAnew() {
        replanning = .over
        performPlanned { () throws(Refusal) in
            try call.text.withBytes { (text) throws(Refusal) in
                try worker.planner.plan(
                    text: text, parameterTypes: call.parameterTypes, environment: worker.planningEnvironment(session)).first?.plan
            }.map { call.replanned($0, text: call.text) }
        }
    }

    /// - Parameter plan: nil where there is nothing to do.
    private func performPlanned(_ plan: () throws(Refusal) -> StatementCall?) {
        do throws(Refusal) {
            guard let planned = try plan() else { return finish(.success) }
            let execution = StatementExecution(worker: worker, session: session, parent: self, call: planned)
            execution.replanning = replanning
            run(execution)
        } catch {
            fail(DatabaseMessage(error))
        }
    }
}

extension DatabaseMessage {
    static let columnsChanged = DatabaseMessage(
        error: .serializationFailure, "could not serialize access: the columns of a table have changed since the statement was planned",
        hint: "Run it again, or its transaction.")
}

/// Whether a statement may begin anew when it meets other columns than it was planned for.
enum Replanning {
    /// -> awaitsCatalog
    case possible
    /// -> over
    case awaitsCatalog
    case over
}
