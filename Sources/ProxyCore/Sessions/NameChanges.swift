// NameChanges: what Parse and Close did to a session's statement names and no answer has confirmed yet.
//
// The session's names change when the message is handled, since later messages of the pipeline use them. When an
// earlier message fails, PostgreSQL skips those behind it: their changes are undone then. Answers come in the order of
// the messages, so a queue is enough.

/// One change to a session's statement names.
enum NameChange {
    /// Parse gave this name to the statement.
    case named([UInt8], number: UInt32)
    /// Parse of the unnamed statement; the one before it is still held.
    case unnamed(number: UInt32, before: UInt32)
    /// Close took the name; the statement is still held.
    case closed([UInt8], number: UInt32)
    /// A message that is answered in the same way and changes nothing.
    case none
}

/// Changes in the order their answers will come. All operations are O(1) but for copying when it grows.
struct NameChanges {
    private var changes: [NameChange] = []
    private var first = 0

    var isEmpty: Bool { changes.isEmpty }

    mutating func append(_ change: NameChange) { changes.append(change) }

    mutating func removeFirst() -> NameChange? {
        guard first < changes.count else { return nil }
        let change = changes[first]
        first += 1
        if first == changes.count {
            changes.removeAll(keepingCapacity: true)
            first = 0
        }
        return change
    }

    mutating func removeLast() -> NameChange? {
        guard first < changes.count else { return nil }
        let change = changes.removeLast()
        if first == changes.count {
            changes.removeAll(keepingCapacity: true)
            first = 0
        }
        return change
    }
}

extension Worker {
    /// The oldest change is confirmed: what it replaced is let go of.
    @inline(never)
    func confirmNameChange(_ session: Int32) {
        guard session >= 0, let detail = sessions.at(session).pointee.detail else { return }
        switch detail.nameChanges.removeFirst() {
        case .unnamed(_, let before): statements.release(before)
        case .closed(_, let number): statements.release(number)
        case .named, .none?, nil: break
        }
    }

    /// The oldest `count` changes were skipped after an error.
    /// - Parameter firstFailed: the first of them is the one that failed: without a name no statement is left by it.
    func undoNameChanges(_ session: Int32, count: Int, firstFailed: Bool) {
        guard count > 0, let detail = sessions.at(session).pointee.detail else { return }
        var skipped: [NameChange] = []
        for _ in 0..<count { if let change = detail.nameChanges.removeFirst() { skipped.append(change) } }
        for (place, change) in skipped.enumerated().reversed() { undo(change, detail, isFailed: firstFailed && place == 0) }
    }

    /// The Parse that waits for its shard is skipped after an error.
    func undoHeldParse(_ session: Int32) {
        let record = sessions.at(session)
        guard record.pointee.heldParse != 0, let detail = record.pointee.detail else { return }
        record.pointee.heldParse = 0
        if let change = detail.nameChanges.removeLast() { undo(change, detail, isFailed: false) }
    }

    /// Nothing of the pipeline will be answered by the link.
    func undoAllNameChanges(_ session: Int32) {
        sessions.at(session).pointee.heldParse = 0
        guard let detail = sessions.at(session).pointee.detail else { return }
        while let change = detail.nameChanges.removeLast() { undo(change, detail, isFailed: false) }
    }

    private func undo(_ change: NameChange, _ detail: SessionDetail, isFailed: Bool) {
        switch change {
        case .named(let name, let number):
            if name.withUnsafeBytes({ detail.statements.number(of: $0) }) == number {
                statements.release(name.withUnsafeBytes { detail.statements.remove($0) })
            }
        case .unnamed(let number, let before):
            guard detail.unnamedStatement == number else { return statements.release(before) }
            statements.release(number)
            detail.unnamedStatement = isFailed ? 0 : before
            if isFailed { statements.release(before) }
        case .closed(let name, let number): name.withUnsafeBytes { detail.statements.add($0, number: number) }
        case .none: break
        }
    }

    /// The session ends: nothing stays held.
    func dropNameChanges(_ detail: SessionDetail) {
        while let change = detail.nameChanges.removeFirst() {
            switch change {
            case .unnamed(_, let before): statements.release(before)
            case .closed(_, let number): statements.release(number)
            case .named, .none: break
            }
        }
    }
}
