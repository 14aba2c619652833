// Dialogue: a conversation with a server, written once as data and held with PostgreSQL and with the proxy.
//
// Dialogues/*.txt hold them. A line is one step, lines indented by four blanks go on with the one above:
//
//   setup                    statements, one a line, run before each of the dialogues that follow
//   dialogue TITLE           begins a dialogue; its client is logged in already unless it says `raw`
//   shards 1                 with the proxy in front of one shard only (portals that several shards cannot hold ...)
//   loose                    not with strict reads (what comes depends on a link that they do not use again)
//   simple                   not by the extended protocol (it tells an error, or describes rows, at another step there)
//   only states              of errors and notices only severity and SQLSTATE are compared
//   raw                      no login: the steps send the startup packets too
//   parameters A=B ...       startup parameters of the login
//   client NAME              the next steps are another client's
//
//   Query TEXT, Parse NAME (OID ...) TEXT, Bind PORTAL STATEMENT VALUE ... -> FORMAT ..., Describe S|P NAME,
//   Execute PORTAL [ROWS], Close S|P NAME, Sync, Flush, CopyData TEXT, CopyDone, CopyFail REASON, Terminate,
//   Frame LETTER HEX, Bytes HEX, Startup VERSION A=B ..., SSLRequest, GSSENCRequest, CancelRequest CLIENT
//
// Names are words or `.` for the unnamed one; values are words, 'quoted', NULL or \xHEX (binary). Query and Sync wait for
// ReadyForQuery; with `+` in front nothing is waited for and the frames go out together with the next ones.
//
//   Ready [N]                waits for N ReadyForQuery
//   Until LETTER             waits for a frame of this type
//   Closed                   waits until the server closes
//   Answer N                 reads N bytes that are no frame
//   Running TEXT             waits until a server runs a statement with this text
//   Waiting TEXT             waits until a server's statement with this text waits for a lock
import Foundation
import Testing

struct Dialogue: CustomTestStringConvertible, Sendable {
    var file = ""
    var title = ""
    var setup: [String] = []
    var parameters: [(String, String)] = []
    var isRaw = false
    var comparesOnlyStates = false
    var shardCounts = [1, 2, 4]
    var isForStrictReads = true
    var isForSimpleQueriesAlone = false
    var steps: [Step] = []

    enum Step: Sendable {
        /// `isPiped`: goes out with the next step.
        case send([UInt8], isPiped: Bool)
        case cancel(String)
        case ready(Int)
        case until(Character)
        case closed
        case answer(Int)
        case running(String)
        case waiting(String)
        case client(String)
    }

    var testDescription: String { "\(file): \(title)" }
}

struct DialogueError: Error, CustomStringConvertible {
    let description: String
}

extension Dialogue {
    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Dialogues")

    /// All dialogues, or those whose file and title contain PGBRAID_DIALOGUES. With PGBRAID_PROTOCOLS=all (`make dialogues`) those of plain
    /// queries by the extended protocol too.
    static func all() -> [Dialogue] {
        let environment = ProcessInfo.processInfo.environment
        let (chosen, protocols) = (environment["PGBRAID_DIALOGUES"] ?? "", environment["PGBRAID_PROTOCOLS"] ?? "")
        let formats = protocols == "all" ? ResultFormat.allCases : []
        return read().flatMap { dialogue in [dialogue] + formats.compactMap(dialogue.extended) }.filter { chosen.isEmpty || $0.testDescription.contains(chosen) }
    }

    /// A file that cannot be read becomes a dialogue whose only step fails.
    private static func read() -> [Dialogue] {
        let names = ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []).filter { $0.hasSuffix(".txt") }
        return names.sorted().flatMap { name -> [Dialogue] in
            do {
                let text = try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
                var parser = DialogueParser(file: String(name.dropLast(4)))
                return try parser.parse(text)
            } catch {
                return [Dialogue(file: name, title: "cannot be read: \(error)", steps: [.until("!")])]
            }
        }
    }
}

/// Reads a file of dialogues.
struct DialogueParser {
    private let file: String
    private var setup: [String] = []
    private var dialogues: [Dialogue] = []

    init(file: String) { self.file = file }

    mutating func parse(_ text: String) throws -> [Dialogue] {
        for (number, line) in Self.logicalLines(text) {
            do {
                try take(line)
            } catch {
                throw DialogueError(description: "line \(number): \(error)")
            }
        }
        return dialogues
    }

    /// Lines with what continues them; `setup` keeps its statements apart by line ends.
    private static func logicalLines(_ text: String) -> [(Int, String)] {
        var lines: [(Int, String)] = []
        for (number, line) in text.components(separatedBy: "\n").enumerated() {
            if line.trimmingCharacters(in: .whitespaces).isEmpty || line.hasPrefix("#") { continue }
            if line.hasPrefix("    "), !lines.isEmpty {
                lines[lines.count - 1].1 += "\n" + line.dropFirst(4)
            } else {
                lines.append((number + 1, line))
            }
        }
        return lines
    }

    private mutating func take(_ line: String) throws {
        var words = WordReader(line)
        let isPiped = words.skip("+")
        let verb = words.word()
        if try takeHeading(verb, &words) { return }
        guard !dialogues.isEmpty else { throw DialogueError(description: "no dialogue has begun") }
        if let step = try waitStep(verb, &words) {
            dialogues[dialogues.count - 1].steps.append(step)
            return
        }
        dialogues[dialogues.count - 1].steps.append(.send(try frame(verb, &words), isPiped: isPiped || verb != "Query" && verb != "Sync"))
        if !isPiped && (verb == "Query" || verb == "Sync") { dialogues[dialogues.count - 1].steps.append(.ready(1)) }
    }

    private mutating func takeHeading(_ verb: String, _ words: inout WordReader) throws -> Bool {
        let last = dialogues.count - 1
        switch verb {
        case "setup": setup = words.rest().components(separatedBy: "\n").filter { !$0.isEmpty }
        case "dialogue":
            var dialogue = Dialogue()
            (dialogue.file, dialogue.title, dialogue.setup) = (file, words.rest(), setup)
            dialogues.append(dialogue)
        case "shards" where last >= 0: dialogues[last].shardCounts = try words.integers()
        case "loose" where last >= 0: dialogues[last].isForStrictReads = false
        case "simple" where last >= 0: dialogues[last].isForSimpleQueriesAlone = true
        case "only" where last >= 0: dialogues[last].comparesOnlyStates = true
        case "raw" where last >= 0: dialogues[last].isRaw = true
        case "parameters" where last >= 0: dialogues[last].parameters = words.pairs()
        default: return false
        }
        return true
    }

    private func waitStep(_ verb: String, _ words: inout WordReader) throws -> Dialogue.Step? {
        switch verb {
        case "Ready": .ready(try words.integers().first ?? 1)
        case "Until": .until(words.word().first ?? "!")
        case "Closed": .closed
        case "Answer": .answer(try words.integers().first ?? 1)
        case "Running": .running(words.rest())
        case "Waiting": .waiting(words.rest())
        case "client": .client(words.word())
        case "CancelRequest": .cancel(words.word())
        default: nil
        }
    }

    private func frame(_ verb: String, _ words: inout WordReader) throws -> [UInt8] {
        switch verb {
        case "Query": return FrontendFrame.query(words.rest())
        case "Parse":
            let name = words.name()
            let types = try words.types()
            return FrontendFrame.parse(name, types, words.rest())
        case "Bind": return try words.bind()
        case "Describe", "Close":
            guard let kind = words.word().first else { throw DialogueError(description: "\(verb) of what?") }
            return verb == "Close" ? FrontendFrame.close(kind, words.name()) : FrontendFrame.describe(kind, words.name())
        case "Execute": return FrontendFrame.execute(words.name(), maximumRows: Int32(try words.integers().first ?? 0))
        case "Sync": return FrontendFrame.sync
        case "Flush": return FrontendFrame.flush
        case "Terminate": return FrontendFrame.terminate
        case "CopyData": return FrontendFrame.copyData(WordReader.unescape(words.rest()))
        case "CopyDone": return FrontendFrame.copyDone
        case "CopyFail": return FrontendFrame.copyFail(words.rest())
        case "Frame": return FrontendFrame.frame(words.word().first ?? "?", try WordReader.hexadecimal(words.rest()))
        case "Bytes": return try WordReader.hexadecimal(words.rest())
        case "SSLRequest": return FrontendFrame.request(code: 80_877_103)
        case "GSSENCRequest": return FrontendFrame.request(code: 80_877_104)
        case "Startup": return try words.startup()
        default: throw DialogueError(description: "unknown step \(verb)")
        }
    }
}
