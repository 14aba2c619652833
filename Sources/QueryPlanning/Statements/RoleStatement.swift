// RoleStatement: CREATE and ALTER ROLE. Each shard would salt a plain password differently, so that no proof made for
// one fits the others: only verifiers are sent on.
import CPGQuery

extension StatementClassifier {
    func role(_ node: Node, _ entry: StatementFamily.Entry) throws(Refusal) -> StatementPlan {
        let options = node.createRoleStmt.map { NodeList($0.pointee.options, $0.pointee.n_options) }
            ?? node.alterRoleStmt.map { NodeList($0.pointee.options, $0.pointee.n_options) }
        for option in options?.nodes.compactMap(\.defElem) ?? [] where text(option.pointee.defname) == "password" {
            guard let password = DefinitionOption.string(option), !Self.isVerifier(password) else { continue }
            throw Refusal(
                "0A000", "a plain password cannot be set through the proxy",
                hint: "Use psql's \\password, or give the SCRAM-SHA-256 verifier as the password.",
                position: context.position(Int(option.pointee.location)))
        }
        return onAllShards(entry, changesCatalog: true)
    }

    /// What PostgreSQL stores as it is (`get_password_type`): a SCRAM verifier, an MD5 hash; the empty text means none.
    static func isVerifier(_ password: String) -> Bool {
        if password.isEmpty { return true }
        if password.hasPrefix("SCRAM-SHA-256$") { return password.split(separator: "$").count == 3 && password.contains(":") }
        return password.hasPrefix("md5") && password.utf8.count == 35
            && password.utf8.dropFirst(3).allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }
}
