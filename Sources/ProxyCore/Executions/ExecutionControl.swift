// ExecutionControl: starting and ending executions.
import Primitives
import WireProtocol

extension Worker {
    /// Gives the session to an execution.
    func start(_ execution: Execution, on index: Int32) {
        let session = sessions.at(index)
        // What ran until now lost a link while it waited for another, and has this one undo what was done.
        if session.pointee.activity == .waiting { stopWaiting(index) }
        if session.pointee.activity != .executing { session.pointee.askedAt = now }
        session.pointee.activity = .executing
        session.pointee.detail?.execution = execution
        execution.resume()
    }

    /// An execution ended: its parent goes on, or the session does.
    func executionFinished(_ execution: Execution, _ outcome: Outcome) {
        let index = execution.session
        let session = sessions.at(index)
        guard let detail = session.pointee.detail else { return }
        // A link it had was lost while it waited for another.
        if session.pointee.activity == .waiting { stopWaiting(index) }
        if execution is SnapshotExecution, case .failure(let message) = outcome { noteWaitFailure(session, message) }
        if let parent = execution.parent {
            detail.execution = parent
            if execution is SnapshotExecution { return parent.resume() }
            return parent.childFinished(execution, outcome)
        }
        detail.execution = nil
        detail.deadlock = nil
        session.pointee.activity = .idle
        returnReserved(index)
        if session.pointee.phase == .leaving { return leavingQuiet(index) }
        session.pointee.lastActive = now
        statistics.executedDurations.add(now - session.pointee.askedAt)
        if !session.pointee.isPlain, let execution = executionAtRest(index) { return start(execution, on: index) }
        unpause(index)
    }

    /// Asks the shards to stop what the session runs.
    func cancelWork(of index: Int32) {
        let session = sessions.at(index)
        let isInQueue = session.pointee.activity == .waiting && session.pointee.waitingShard >= 0
        if session.pointee.activity == .waiting, awaitsSettings(session) {
            // Its settings are made so on the link, which is of no use before. Then the statement ends.
            noteWaitFailure(session, DatabaseMessage(error: .queryCanceled, "canceling statement due to user request"))
        } else if let execution = session.pointee.detail?.execution, !isInQueue {
            execution.cancelRequested()
        } else if session.pointee.activity == .passing, session.pointee.link >= 0 {
            sendCancel(toLink: session.pointee.link)
        } else if session.pointee.activity == .waiting {
            failWait(index, DatabaseMessage(error: .queryCanceled, "canceling statement due to user request"))
        }
    }
}
