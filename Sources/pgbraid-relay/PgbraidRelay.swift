// The command line of pgbraid-relay. The work is in OutboxRelay.
import ArgumentParser

@main
struct PgbraidRelay: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pgbraid-relay",
        abstract: "Tell what is in the outbox tables of pgbraid's shards to RabbitMQ or Kafka.",
        version: "0.1.0",
        subcommands: [RunCommand.self, CheckCommand.self, ProbeCommand.self])
}
