// CursorTable: the SQL cursors of one session, and how long each lives.
//
// A cursor ends with the block it was declared in, or with ROLLBACK TO a savepoint set before it. WITH HOLD it outlives the COMMIT
// of its block; until then it can still be rolled back.
import Primitives

/// One SQL cursor.
struct DeclaredCursor {
    /// Where it lives.
    enum Home {
        /// On the server session of this link, which carries its FETCHes out.
        case link(Int32)
        /// In the proxy: its rows are those of several shards.
        case session(ShardedCursor)
    }

    let home: Home
    /// WITH HOLD.
    let isHeld: Bool
    /// The block it was declared in is committed, or there was none.
    var isPersistent: Bool
    /// How many savepoints were open when it was declared.
    var savepointDepth: Int
}

struct CursorTable {
    private var cursors: [String: DeclaredCursor] = [:]

    var isEmpty: Bool { cursors.isEmpty }
    var count: Int { cursors.count }

    subscript(name: String) -> DeclaredCursor? { cursors.isEmpty ? nil : cursors[name] }

    /// The link on which a cursor lives; nil where it lives in the proxy, or does not exist.
    func link(of name: String) -> Int32? {
        guard case .link(let link)? = self[name]?.home else { return nil }
        return link
    }

    /// A cursor that lives in the proxy.
    func sharded(_ name: String) -> ShardedCursor? {
        guard case .session(let cursor)? = self[name]?.home else { return nil }
        return cursor
    }

    /// The links on which cursors live, each once, in order.
    var links: [Int32] { Set(cursors.keys.compactMap(link)).sorted() }

    /// Bytes of the rows that the cursors hold in the proxy.
    var heldBytes: Int {
        cursors.values.reduce(0) { sum, cursor in
            guard case .session(let cursor) = cursor.home else { return sum }
            return sum + cursor.heldBytes
        }
    }

    mutating func insert(_ name: String, _ cursor: DeclaredCursor) { cursors[name] = cursor }

    @discardableResult
    mutating func remove(_ name: String) -> DeclaredCursor? { cursors.isEmpty ? nil : cursors.removeValue(forKey: name) }

    mutating func removeAll() { cursors = [:] }

    /// Whatever lived on the link is gone with it.
    mutating func linkLost(_ link: Int32) {
        guard !cursors.isEmpty else { return }
        cursors = cursors.filter { $0.value.livesApart(from: link) }
    }

    /// A cursor WITH HOLD lives on the link.
    func keep(_ link: Int32) -> Bool { cursors.values.contains { $0.isHeld && !$0.livesApart(from: link) } }

    /// Whether a cursor WITH HOLD of the block lives on the link: PREPARE TRANSACTION fails there (manual, PREPARE TRANSACTION, Notes).
    /// One that is closed, undone or of an earlier block is no obstacle.
    func forbidPreparation(on link: Int32) -> Bool {
        guard !cursors.isEmpty else { return false }
        return cursors.values.contains { $0.isHeld && !$0.isPersistent && !$0.livesApart(from: link) }
    }

    /// The proxy itself holds the rows of a cursor WITH HOLD of the block.
    var holdsRowsOfBlock: Bool {
        cursors.values.contains { cursor in
            guard case .session = cursor.home else { return false }
            return cursor.isHeld && !cursor.isPersistent
        }
    }

    // MARK: Blocks and savepoints

    /// - Parameter depth: of the savepoint gone back to: 1 for the first that is open.
    mutating func rolledBack(toSavepoint depth: Int) {
        guard !cursors.isEmpty else { return }
        cursors = cursors.filter { $0.value.isPersistent || $0.value.savepointDepth < depth }
    }

    /// The savepoint and those behind it are no more; what was declared since is as if declared before.
    mutating func released(savepoint depth: Int) {
        guard !cursors.isEmpty else { return }
        cursors = cursors.mapValues { cursor in
            var cursor = cursor
            cursor.savepointDepth = min(cursor.savepointDepth, depth - 1)
            return cursor
        }
    }

    mutating func blockEnded(committed: Bool) {
        guard !cursors.isEmpty else { return }
        cursors = cursors.filter { $0.value.isPersistent || committed && $0.value.isHeld }.mapValues { cursor in
            var cursor = cursor
            cursor.isPersistent = true
            cursor.savepointDepth = 0
            return cursor
        }
    }
}

extension DeclaredCursor {
    fileprivate func livesApart(from link: Int32) -> Bool {
        if case .link(link) = home { return false }
        return true
    }
}

extension SessionDetail {
    /// Cursors and portals made since the savepoint are gone with what was done since.
    func rolledBack(toSavepoint depth: Int) {
        transaction?.changeCount &+= 1
        cursors.rolledBack(toSavepoint: depth)
        portals = portals.filter { $0.value.savepointDepth < depth }
    }

    /// Bytes of rows that are held for cursors and portals.
    var heldBytes: Int {
        portals.values.reduce(cursors.heldBytes) { $0 + ($1.buffer?.stream.pointee.output.count ?? 0) + ($1.cursor?.heldBytes ?? 0) }
    }

    /// Bytes of the values that are held for portals yet to be executed.
    func bindBytes(besides name: UnsafeRawBufferPointer) -> Int {
        let held = portals.filter { !$0.value.isDone && !$0.value.bind.isEmpty && !$0.key.elementsEqual(name) }
        return held.values.reduce(0) { $0 + $1.bind.count }
    }

    func released(savepoint depth: Int) {
        cursors.released(savepoint: depth)
        portals = portals.mapValues { portal in
            var portal = portal
            portal.savepointDepth = min(portal.savepointDepth, depth - 1)
            return portal
        }
    }
}

extension Transaction {
    /// How many savepoints are open.
    var savepointDepth: Int { steps.count { if case .savepoint = $0 { true } else { false } } }

    /// The depth of a savepoint, 1 for the first that is open; nil when there is none of this name.
    func depth(ofSavepoint name: String) -> Int? {
        guard let place = steps.lastIndex(of: .savepoint(name)) else { return nil }
        return steps[...place].count { if case .savepoint = $0 { true } else { false } }
    }
}
