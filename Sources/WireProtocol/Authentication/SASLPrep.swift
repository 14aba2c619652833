// SASLPrep: the normal form of passwords (RFC 4013). ASCII is its own normal form; other passwords are taken as they
// are, which is what PostgreSQL does with those that have none.

enum SASLPrep {
    static func prepare(_ password: [UInt8]) -> [UInt8] { password }
}
