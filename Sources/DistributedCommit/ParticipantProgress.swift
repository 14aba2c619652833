// ParticipantProgress: how far one participant of a distributed commit has come.

/// One participant as its coordinator knows it.
struct ParticipantProgress: Sendable {
    enum State: Sendable, Equatable {
        /// Its transaction is open, nothing is outstanding. -> preparing, checkingConstraints, deciding, ending
        case open
        /// SET CONSTRAINTS is out on the decider. -> open, ending, settled
        case checkingConstraints
        /// PREPARE is out. -> prepared, finishing (aborting), settled
        case preparing
        /// -> finishing
        case prepared
        /// `decide` and COMMIT are out on the decider. -> settled
        case deciding
        /// COMMIT or ROLLBACK PREPARED is out, on the participant's own link or on an admin link, after so many
        /// failures. -> settled
        case finishing(onLink: Bool, failures: Int)
        /// ROLLBACK, or a reader's COMMIT, is out. -> settled
        case ending
        /// Nothing more is done about it here.
        case settled
    }

    var state = State.open
    var isLinkAlive = true
}
