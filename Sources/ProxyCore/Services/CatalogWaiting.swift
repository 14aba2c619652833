// CatalogWaiting: after DDL the next plans need the new catalog; sessions that changed it wait until it is read.
import Primitives

extension Worker {
    /// Nothing waits for the catalog: a statement that cannot be resolved goes to a shard, which knows.
    func resumeCatalogWaiters() {
        let waiting = catalogWaiters
        catalogWaiters = []
        for (index, generation) in waiting where sessions.at(index).pointee.generation == generation { wake(index) }
    }
}
