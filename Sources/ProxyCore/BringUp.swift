// Until the analyser is wired in, every statement is refused rather than guessed at.
import QueryPlanning

struct BringUpAnalyser: StatementAnalyser {
    func analyse(
        text: String, parameterTypes: [UInt32], environment: PlanningEnvironment, acrossShards: Bool
    ) throws(Refusal) -> [PlannedStatement] {
        throw Refusal("0A000", "statements are not planned yet")
    }
}
