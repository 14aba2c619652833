// DialogueRunner: holds a dialogue with one server and writes down all it says.
import TestSupport

/// A place where dialogues are held: PostgreSQL, or the proxy in front of some.
struct DialoguePlace {
    let port: Int
    /// The PostgreSQL servers behind it.
    let servers: [TemporaryPostgreSQL]
}

final class DialogueRunner {
    private let place: DialoguePlace
    private let dialogue: Dialogue
    private var clients: [String: WireClient] = [:]
    private var current = "a"
    private var pending: [UInt8] = []
    private var lines: [String] = []

    init(_ dialogue: Dialogue, at place: DialoguePlace) {
        self.dialogue = dialogue
        self.place = place
    }

    /// The transcript.
    /// - Throws: when an answer does not come in time; the transcript so far is in the error.
    func run() throws -> [String] {
        try setUp()
        do {
            for step in dialogue.steps { try perform(step) }
            try flush()
            try part()
        } catch {
            throw DialogueError(description: "\(error); so far:\n" + lines.joined(separator: "\n"))
        }
        return lines
    }

    private func setUp() throws {
        guard !dialogue.setup.isEmpty else { return }
        let client = try WireClient(port: place.port)
        for statement in dialogue.setup {
            try client.send(FrontendFrame.query(statement))
            while let frame = try client.next(), frame.letter != "Z" {
                guard frame.letter == "E" else { continue }
                throw DialogueError(description: "setup, \(statement): \(Transcript.line(of: frame))")
            }
        }
    }

    private func client() throws -> WireClient {
        if let known = clients[current] { return known }
        let isLoggedIn = !dialogue.isRaw || current != "a"
        let client = isLoggedIn
            ? try WireClient(port: place.port, parameters: dialogue.parameters) : try WireClient(connectingTo: place.port)
        clients[current] = client
        return client
    }

    private func perform(_ step: Dialogue.Step) throws {
        if case .send(let bytes, let isPiped) = step {
            pending += bytes
            if !isPiped { try flush() }
            return
        }
        try flush()
        switch step {
        case .send: break
        case .client(let name): current = name
        case .ready(let count): for _ in 0..<count { try readUntil("Z") }
        case .until(let letter): try readUntil(letter)
        case .closed: try readToEnd()
        case .answer(let count): note("bytes \(try client().bytes(count))")
        case .cancel(let name): try cancel(name)
        case .running(let text): try waitFor("state = 'active'", text)
        case .waiting(let text): try waitFor("wait_event_type = 'Lock'", text)
        }
    }

    private func flush() throws {
        guard !pending.isEmpty else { return }
        let bytes = pending
        pending = []
        try client().send(bytes)
    }

    private func note(_ line: String) { lines.append(dialogue.isRaw || clients.count < 2 ? line : "\(current): \(line)") }

    private func take(_ frame: Frame) { note(Transcript.line(of: frame, onlyStates: dialogue.comparesOnlyStates)) }

    private func readUntil(_ letter: Character) throws {
        while let frame = try client().next() {
            take(frame)
            if frame.letter == letter { return }
        }
        note("closed")
    }

    private func readToEnd() throws {
        while let frame = try client().next() { take(frame) }
        note("closed")
    }

    private func cancel(_ name: String) throws {
        guard let target = clients[name] else { throw DialogueError(description: "no client \(name)") }
        try target.requestCancel(port: place.port)
    }

    private func waitFor(_ condition: String, _ text: String) throws {
        let literal = text.replacing("'", with: "''")
        let query = """
            SELECT count(*) FROM pg_stat_activity
            WHERE pid <> pg_backend_pid() AND \(condition) AND position('\(literal)' in query) > 0
            """
        try eventually("\(text) with \(condition)") {
            try place.servers.contains { try $0.psql(query)[0][0] != "0" }
        }
    }

    /// Says goodbye; what the servers still sent belongs to the transcript.
    private func part() throws {
        for name in clients.keys.sorted() {
            current = name
            try client().send(FrontendFrame.terminate)
            try readToEnd()
        }
    }
}
