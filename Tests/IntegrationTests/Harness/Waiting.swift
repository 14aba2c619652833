// Waiting for conditions instead of for time.
import Foundation

struct ConditionNotMet: Error, CustomStringConvertible {
    let description: String
}

/// Asks again and again until the condition holds. An error counts as "not yet" and is shown if time runs out.
func eventually(_ what: String, withinSeconds: Double = 20, _ condition: () throws -> Bool) throws {
    let end = Date().addingTimeInterval(withinSeconds)
    var lastError: (any Error)?
    repeat {
        do {
            if try condition() { return }
            lastError = nil
        } catch {
            lastError = error
        }
        usleep(10_000)
    } while Date() < end
    throw ConditionNotMet(description: "not in time: \(what)" + (lastError.map { "; \($0)" } ?? ""))
}
