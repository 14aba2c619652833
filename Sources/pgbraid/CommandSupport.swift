// What the commands share.
import ArgumentParser
import Logging
import ProxyCore
import ProxyHost

extension Logger.Level: @retroactive ExpressibleByArgument {}

struct LogOptions: ParsableArguments {
    @Option(help: "Least level that is logged: trace, debug, info, notice, warning, error, critical.")
    var logLevel = Logger.Level.info

    var logger: Logger {
        let level = logLevel
        return Logger(label: "pgbraid") { _ in StandardErrorLog(level: level) }
    }
}

/// Reads the configuration; every mistake goes to standard error.
func readConfiguration(_ path: String, for purpose: Configuration.Purpose = .run) throws -> ProxySettings {
    do throws(ConfigurationError) {
        return try Configuration.read(path, for: purpose)
    } catch {
        for mistake in error.mistakes { StandardStreams.printError(mistake.description) }
        throw ExitCode(1)
    }
}

/// Runs `body`; an error becomes one log line and exit code 1.
func exitingOnFailure(_ logger: Logger, _ body: () throws -> Void) throws {
    do {
        try body()
    } catch let code as ExitCode {
        throw code
    } catch {
        logger.critical("cannot run", metadata: ["error": "\(error)"])
        throw ExitCode(1)
    }
}
