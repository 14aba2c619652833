// OIDLoading: what OIDs each shard has for the types and tables of the client's own, read before the shard is used and again after DDL.
//
// The catalog shard's OIDs are those that clients see. Links of shards that have others translate what passes (TranslatedReplies,
// TranslatedRequests); links of shards that have the same do not, and pay nothing.
import Primitives
import QueryPlanning
import WireProtocol

/// What a link of a shard with other OIDs needs beyond the rest.
final class LinkTranslation {
    var translation: OIDTranslation
    /// The columns of the rows to come whose values hold OIDs, as last described.
    var carriers: [CarrierColumn] = []
    /// A copy of the frame that is being translated.
    private(set) var scratch = UnsafeMutableRawBufferPointer(start: nil, count: 0)

    init(_ translation: OIDTranslation) { self.translation = translation }

    deinit { scratch.deallocate() }

    /// A copy of a frame that may be changed, valid until the next.
    func copy(_ frame: UnsafeRawBufferPointer) -> UnsafeMutableRawBufferPointer {
        if scratch.count < frame.count {
            scratch.deallocate()
            scratch = .allocate(byteCount: max(4096, frame.count.nextPowerOfTwo), alignment: 8)
        }
        let copy = UnsafeMutableRawBufferPointer(rebasing: scratch[0..<frame.count])
        copy.copyMemory(from: frame)
        return copy
    }
}

extension Int {
    fileprivate var nextPowerOfTwo: Int { 1 << (Int.bitWidth - (self - 1).leadingZeroBitCount) }
}

extension Worker {
    /// Asks a shard for its OIDs.
    /// - Parameter completion: hears whether they are known now.
    func readOIDs(_ shard: ShardIndex, completion: @escaping (Bool) -> Void) {
        guard shardCount > 1 else { return completion(true) }
        runAdmin(shard, ObjectOIDs.question, limit: Self.recoveryPatience) { [unowned self] answer in
            guard answer.isSuccess, let oids = Self.objectOIDs(answer.results.first) else { return completion(false) }
            cluster.objectOIDs[shard.int] = oids
            completion(true)
        }
    }

    /// Asks all shards that are up; those that do not answer are as they were, and asked again later.
    func readAllOIDs(completion: @escaping () -> Void) {
        let asked = cluster.shards.indices.filter { cluster.shards[$0].isUp }
        guard shardCount > 1, !asked.isEmpty else { return completion() }
        var outstanding = asked.count
        for shard in asked {
            readOIDs(ShardIndex(shard)) { [unowned self] isKnown in
                outstanding -= 1
                if !isKnown {
                    logger.warning("cannot read the OIDs of types", metadata: ["shard": "\(shard)"])
                    timers.add(.catalog, at: now + settings.reconnectDelay)
                }
                guard outstanding == 0 else { return }
                translateOIDs()
                completion()
            }
        }
    }

    static func objectOIDs(_ rows: [[String?]]?) -> ObjectOIDs? {
        var oids = ObjectOIDs()
        for row in rows ?? [] where !oids.add(row) { return nil }
        return oids
    }

    /// Finds out anew what has to be translated, when OIDs or the catalog shard have changed.
    func translateOIDs() {
        guard shardCount > 1 else { return }
        cluster.oidTranslations = Self.translations(cluster.objectOIDs, catalogShard: cluster.catalogShard)
        for index in 0..<links.highWater where links.at(index).pointee.isOpen { setTranslation(ofLink: index) }
    }

    static func translations(_ oids: [ObjectOIDs], catalogShard: ShardIndex) -> [OIDTranslation?] {
        oids.map { OIDTranslation(shard: $0, catalog: oids[catalogShard.int]) }
    }

    /// Between the OIDs of a shard and those that a session sees; nil: they are the same.
    func translation(_ shard: ShardIndex, session: Int32) -> OIDTranslation? {
        if session >= 0, let own = sessions.at(session).pointee.detail?.transaction?.oidTranslations { return own[shard.int] }
        return cluster.oidTranslations[shard.int]
    }

    func setTranslation(ofLink index: Int32) {
        let link = links.at(index)
        let translation = translation(link.pointee.shard, session: link.pointee.session)
        link.pointee.translatesOIDs = translation != nil
        guard let translation else { return link.pointee.translation = nil }
        if let known = link.pointee.translation { known.translation = translation } else { link.pointee.translation = LinkTranslation(translation) }
    }
}
