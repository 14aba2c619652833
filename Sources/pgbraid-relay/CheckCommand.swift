// pgbraid-relay check: are the configuration and the outbox table right, and is the broker there?
import ArgumentParser
import Foundation
import OutboxRelay

struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "check", abstract: "Check the configuration, the outbox table and the broker.")

    @OptionGroup var options: CommonOptions

    func run() throws {
        let settings = try options.settings()
        do {
            let relay = try OutboxRelay(settings, logger: options.logger)
            if let (shard, reason) = relay.unchecked.first { throw RelayMistake(message: "shard \(shard) does not answer: \(reason)", hint: "run waits for it") }
            _ = try settings.broker.publisher(shard: 0)
        } catch {
            FileHandle.standardError.write(Data("\(OutboxRelay.text(of: error))\n".utf8))
            throw ExitCode(1)
        }
        print("\(options.config): no mistakes")
    }
}
