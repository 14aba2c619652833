// TranslatedRequests: what goes to a shard that has other OIDs than the client sees: types declared by Parse, and values of Bind that
// hold OIDs in binary format.
//
// Rows in binary come with no description unless one is asked for, so that Execute of a portal whose rows may be in binary has a Describe of
// the proxy's own in front of it.
import Primitives
import QueryPlanning
import WireProtocol

extension Worker {
    /// Writes a Bind to a link that translates.
    @inline(never)
    func writeTranslatedBind(
        _ session: UnsafeMutablePointer<Session>, _ message: BindMessage, _ frame: UnsafeRawBufferPointer, _ statement: SharedStatement,
        to index: Int32
    ) {
        if message.portal.isEmpty {
            session.pointee.isUnnamedPortalBinary = (0..<message.resultFormatCount).contains { message.resultFormatCode($0) != .text }
        }
        let stream = output(ofLink: index)
        let types = statement.knownTypes
        guard let translation = links.at(index).pointee.translation, translation.translation.toShard.concerns(message, types: types) else {
            return write(message, frame, statement, to: stream)
        }
        let copy = translation.copy(frame)
        translation.translation.toShard.rewriteBind(copy, types: types)
        let rewritten = UnsafeRawBufferPointer(copy)
        guard let again = try? BindMessage(rewritten) else { return write(message, frame, statement, to: stream) }
        write(again, rewritten, statement, to: stream)
    }

    /// Writes a client's Bind with the statement's name on the links.
    private func write(
        _ message: BindMessage, _ frame: UnsafeRawBufferPointer, _ statement: SharedStatement, to stream: UnsafeMutablePointer<Stream>
    ) {
        if message.statement.isEmpty { return stream.pointee.output.append(frame) }
        stream.pointee.output.writeBind(message, portal: message.portal, statement: statement.hot.pointee.linkName)
    }

    /// Passes an Execute on to a link that translates.
    @inline(never)
    func forwardTranslated(_ session: UnsafeMutablePointer<Session>, execute frame: UnsafeRawBufferPointer, to index: Int32) {
        let record = links.at(index)
        let stream = streams.at(record.pointee.stream.index)
        guard let message = try? ExecuteMessage(frame), !message.portal.isEmpty || session.pointee.isUnnamedPortalBinary else {
            stream.pointee.output.append(frame)
            return sent(session, record, .passExecute)
        }
        stream.pointee.output.writeDescribe(.portal, name: message.portal)
        sent(session, record, .dropDescribe)
        stream.pointee.output.append(frame)
        sent(session, record, .passExecuteTranslated)
    }

    /// The call as a shard must be told it.
    func call(_ call: StatementCall, for shard: ShardIndex, session: Int32) -> StatementCall {
        guard let map = translation(shard, session: session)?.toShard else { return call }
        var translated = call
        translated.parameterTypes = map.parameterTypes(call.parameterTypes)
        translated.bind?.withUnsafeMutableBytes { map.rewriteBind($0, types: Self.known(call.parameterTypes, call.describedTypes)) }
        return translated
    }

    /// The types of parameters as far as they are known; 0: not known.
    static func known(_ declared: [UInt32], _ described: [UInt32]) -> [UInt32] {
        if described.isEmpty { return declared }
        return described.enumerated().map { index, type in index < declared.count && declared[index] != 0 ? declared[index] : type }
    }

    /// The types a shared statement declares, as a link's shard knows them. What a client was told they are, they are on all links,
    /// also where tables have changed since.
    func parameterTypes(of statement: SharedStatement, onLink index: Int32) -> [UInt32] {
        guard let translation = links.at(index).pointee.translation else { return statement.knownTypes }
        return translation.translation.toShard.parameterTypes(statement.knownTypes)
    }
}

extension Execution {
    /// The call as the shard of a leg must be told it.
    func call(_ call: StatementCall, for leg: Int) -> StatementCall { worker.call(call, for: legs[leg].shard, session: session) }

    /// Rows that come to a leg in binary must be described to it, or its link could not translate them.
    func describesRows(_ leg: Int) -> Bool { worker.links.at(legs[leg].link).pointee.translatesOIDs }
}

extension SharedStatement {
    /// The types of its parameters, declared or told by PostgreSQL; 0 or missing: not known.
    var knownTypes: [UInt32] { Worker.known(parameterTypes, describedTypes) }
}
