// Dialogues held with PostgreSQL and with the proxy: the transcripts must be equal, frame by frame.
//
// To read what PostgreSQL says, run with PGBRAID_TRANSCRIPTS=DIRECTORY: its transcripts are written there.
import Foundation
import Testing

/// All tests of this target run one after another: they share servers, and some stop them.
@Suite(.serialized) enum IntegrationTests {}

extension IntegrationTests {
    @Suite struct DialogueTests {
        @Test(.timeLimit(.minutes(1)), arguments: Dialogue.all())
        func saysWhatPostgreSQLSays(dialogue: Dialogue) throws {
            let servers = try TestServers.shared.get()
            let clusters = try SharedClusters.shared.get()
            let judge = DialoguePlace(port: servers.judge.port, servers: [servers.judge])
            let right = try DialogueRunner(dialogue, at: judge).run()
            try keep(right, of: dialogue)
            let atomic = [clusters.one, clusters.two, clusters.four].filter { dialogue.shardCounts.contains($0.servers.count) }
            let strict = dialogue.shardCounts.contains(4) && dialogue.isForStrictReads ? [clusters.strict] : []
            for cluster in atomic + strict {
                let place = DialoguePlace(port: cluster.port, servers: cluster.servers)
                let said = try DialogueRunner(dialogue, at: place).run()
                #expect(said == right, "\(Difference.text(said, right, cluster === clusters.strict ? "strict reads" : "\(cluster.servers.count) shard(s)"))")
            }
        }

        private func keep(_ transcript: [String], of dialogue: Dialogue) throws {
            guard let directory = ProcessInfo.processInfo.environment["PGBRAID_TRANSCRIPTS"] else { return }
            let path = "\(directory)/\(dialogue.file) - \(dialogue.title.replacing("/", with: " ")).txt"
            try (transcript.joined(separator: "\n") + "\n").write(toFile: path, atomically: false, encoding: .utf8)
        }
    }
}

/// Where two transcripts part.
enum Difference {
    static func text(_ said: [String], _ right: [String], _ place: String) -> String {
        let common = zip(said, right).prefix { $0 == $1 }.count
        var lines = ["with \(place), after \(common) equal lines:"]
        lines += right[..<common].suffix(3).map { "  \($0)" }
        lines += right[common...].prefix(8).map { "- \($0)" }
        lines += said[common...].prefix(8).map { "+ \($0)" }
        return lines.joined(separator: "\n")
    }
}
