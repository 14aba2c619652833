// DescribedStatements: what clients were told of prepared statements, and what is done when it may hold no longer.
//
// A client that had a statement described reads its rows by that description. PostgreSQL keeps it so: when tables have changed and the
// columns with them, the statement fails with 'cached plan must not change result type'. A link that prepares the statement anew would
// not know, and answer with the new columns. So in an environment (catalog, search_path, role ...) in which the statement has not been looked at
// yet, it is described again before it is bound, and fails as it would in PostgreSQL.
import Primitives
import QueryPlanning
import WireProtocol

/// What is known of the columns a statement returns.
struct DescribedColumns {
    /// SHA-256 of what PostgreSQL compares of them.
    let digest: [UInt8]
    /// The environments in which it is known to return them still, the latest last.
    private(set) var environments: [UInt32]

    private static let environmentLimit = 8

    init(digest: [UInt8], environment: UInt32) {
        self.digest = digest
        environments = [environment]
    }

    mutating func confirm(_ environment: UInt32) {
        if environments.count == Self.environmentLimit { environments.removeFirst() }
        environments.append(environment)
    }

    /// Names, types and modifiers of the columns; the tables they come from may be others (equalTupleDescs in tupdesc.c).
    static func digest(_ columns: [FieldDescription]?) -> [UInt8] {
        var bytes: [UInt8] = []
        for field in columns ?? [] {
            bytes += field.name + [0]
            withUnsafeBytes(of: (field.typeOID, field.typeModifier)) { bytes += $0 }
        }
        return Digest.sha256(bytes)
    }
}

extension SharedStatement {
    /// It must be described again before it is used in an environment.
    @inline(__always)
    func isUncertain(in environment: UInt32) -> Bool {
        guard let columns = describedColumns else { return false }
        return !columns.environments.contains(environment)
    }
}

extension Worker {
    /// An answer to the client's Describe of a statement passes.
    @inline(never)
    func noteDescription(_ link: UnsafeMutablePointer<Link>, _ frame: UnsafeRawBufferPointer, type: UInt8) {
        guard let number = link.pointee.describing.first, let statement = statements.at(number), link.pointee.session >= 0 else { return }
        if type == BackendMessageType.parameterDescription {
            guard let message = try? ParameterDescriptionMessage(frame) else { return }
            statement.describedTypes = message.parameterTypes
        } else if type == BackendMessageType.rowDescription || type == BackendMessageType.noData, statement.describedColumns == nil {
            statement.describedColumns = DescribedColumns(
                digest: DescribedColumns.digest((try? RowDescriptionMessage(frame))?.fields),
                environment: sessions.at(link.pointee.session).pointee.environment)
        }
    }

    /// Looks at a described statement again where it is not certain that it returns the same columns; nil: it does.
    func confirmColumns(
        _ index: Int32, _ session: UnsafeMutablePointer<Session>, _ statement: SharedStatement, isDescribe: Bool
    ) -> FrameResult? {
        // The session has no environment before the catalog has been read again.
        if session.pointee.environment == 0 {
            switch catalogReadiness(index, session) {
            case .known: break
            case .awaited: return .blocked
            case .failed(let failure): return raiseEndedWait(index, failure)
            }
        }
        guard statement.isUncertain(in: planningEnvironment(index).number) else { return nil }
        // What FETCH returns is its cursor's business.
        if case .cursor? = statement.plan?.action { return nil }
        if session.pointee.status == TransactionStatus.failed.rawValue { return nil }
        guard isQuiescent(index) else { return .blocked }
        let check = ColumnsExecution(worker: self, session: index, parent: nil, statement: statement, isDescribe: isDescribe)
        start(check, on: index)
        if !check.isFinished { return .blocked }
        return session.pointee.skipsUntilSync ? .consumed : nil
    }
}

/// Describes a statement on a shard and compares its columns with what clients were told.
final class ColumnsExecution: DescribingExecution {
    private let statement: SharedStatement
    private let environment: UInt32
    /// The client asks for the description itself: PostgreSQL tells the parameters before it looks at the columns.
    private let isDescribe: Bool

    init(worker: Worker, session: Int32, parent: Execution?, statement: SharedStatement, isDescribe: Bool) {
        self.statement = statement
        self.isDescribe = isDescribe
        environment = worker.sessions.at(session).pointee.environment
        super.init(worker: worker, session: session, parent: parent, text: statement.text, declaredTypes: statement.knownTypes)
    }

    override func described() {
        if failure == nil, DescribedColumns.digest(columns) != statement.describedColumns?.digest {
            failure = DatabaseMessage(error: .featureNotSupported, "cached plan must not change result type")
        }
        if let failure {
            if isDescribe, let leg = legs.first, !leg.isLost, worker.sessions.at(session).pointee.phase != .leaving {
                worker.output(ofSession: session).pointee.output.writeParameterDescription(
                    statement.knownTypes)
            }
            worker.tellError(session, failure)
            worker.failBatch(session)
        } else {
            statement.describedColumns?.confirm(environment)
        }
        finish(.success)
    }
}
