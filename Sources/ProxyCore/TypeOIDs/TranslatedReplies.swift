// TranslatedReplies: what comes from a shard that has other OIDs than the client sees: descriptions, and rows whose binary values hold
// OIDs. It is translated before anything else looks at it, so that everyone beyond the link knows one set of OIDs only.
//
// A description always comes before its rows: who wants rows in binary that the client has not asked to be described has the link
// describe them (see TranslatedRequests).
import Primitives
import WireProtocol

extension Worker {
    /// Whether a frame holds OIDs to translate.
    @inline(never)
    func mustTranslate(_ type: UInt8, _ link: UnsafeMutablePointer<Link>, _ expectation: Expectation?) -> Bool {
        switch type {
        case BackendMessageType.rowDescription, BackendMessageType.parameterDescription: return true
        case BackendMessageType.dataRow:
            guard let translation = link.pointee.translation, !translation.carriers.isEmpty else { return false }
            return expectation == .passExecuteTranslated || expectation == .task || expectation == .passQuery || expectation == .passQueryWithoutReady
        default: return false
        }
    }

    /// Translates a copy of a whole frame; nil: it cannot be, and the link is broken.
    func translated(_ index: Int32, _ frame: UnsafeRawBufferPointer, type: UInt8) -> UnsafeRawBufferPointer? {
        guard let translation = links.at(index).pointee.translation else { return frame }
        let copy = translation.copy(frame)
        let map = translation.translation.toClient
        do throws(UnmappedType) {
            switch type {
            case BackendMessageType.rowDescription:
                translation.carriers = try map.rewriteRowDescription(copy, tables: translation.translation.tables)
            case BackendMessageType.parameterDescription: try map.rewriteParameterDescription(copy)
            default: try map.rewriteDataRow(copy, translation.carriers)
            }
            return UnsafeRawBufferPointer(copy)
        } catch {
            // Made behind the proxy's back, maybe: the next statement may find it on all shards.
            noteCatalogChange()
            breakLink(index, reason: "it answers with a type that the other shards do not have (OID \(error.oid) there)")
            return nil
        }
    }
}
