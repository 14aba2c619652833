// ExecutedStatements: EXECUTE of SQL within the extended protocol: it is described as the statement that it runs, and belongs to the
// batch as that does.
import Primitives
import QueryPlanning
import WireProtocol

extension Worker {
    /// The prepared statement that an EXECUTE runs; nil: the plan is none, or there is no such statement (told when it is executed).
    func executedStatement(_ plan: StatementPlan?, _ detail: SessionDetail) -> SharedStatement? {
        guard case .prepared(.execute(let name, _))? = plan?.action else { return nil }
        return Array(name.utf8).withUnsafeBytes { statements.at(detail.statements.number(of: $0)) }
    }

    /// Answers Describe of an EXECUTE.
    /// - Parameters:
    ///   - formats: as in Bind.
    ///   - isStatement: a statement's parameters are described too; EXECUTE has none.
    func describe(
        executed statement: SharedStatement, formats: [FormatCode], _ index: Int32, _ session: UnsafeMutablePointer<Session>,
        isStatement: Bool
    ) -> FrameResult {
        guard isQuiescent(index) else { return .blocked }
        if session.pointee.status == TransactionStatus.failed.rawValue {
            return raise(index, .blockIsAborted)
        }
        start(
            ExecutedColumnsExecution(worker: self, session: index, statement: statement, formats: formats, isStatement: isStatement),
            on: index)
        return .consumed
    }

    /// The plan of what a portal changes: of EXECUTE that of its statement.
    func executedPlan(_ plan: StatementPlan, _ index: Int32, _ detail: SessionDetail) -> StatementPlan {
        guard let statement = executedStatement(plan, detail) else { return plan }
        return (try? currentPlan(of: statement, session: index)) ?? plan
    }
}

/// Tells the client what an EXECUTE returns.
final class ExecutedColumnsExecution: DescribingExecution {
    private let formats: [FormatCode]
    private let isStatement: Bool

    init(worker: Worker, session: Int32, statement: SharedStatement, formats: [FormatCode], isStatement: Bool) {
        self.formats = formats
        self.isStatement = isStatement
        super.init(worker: worker, session: session, parent: nil, text: statement.text, declaredTypes: statement.parameterTypes)
    }

    override func described() {
        if let failure {
            worker.tellError(session, failure)
            worker.failBatch(session)
        } else if worker.sessions.at(session).pointee.phase != .leaving {
            let output = worker.output(ofSession: session)
            if isStatement { output.pointee.output.writeParameterDescription([]) }
            if let columns {
                output.pointee.output.writeRowDescription(columns.asked(formats))
            } else {
                output.pointee.output.writeNoData()
            }
        }
        finish(.success)
    }
}
