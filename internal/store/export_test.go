package store

// What the tests of package store_test need from inside.
var (
	MigrateSQLite   = migrateSQLite
	MigratePostgres = migratePostgres
	Storable        = storable
)

const (
	QueueLimit = queueLimit
	BatchLimit = batchLimit
)

// Unavailable reads an error as the named database would.
func Unavailable(name string, err error) bool { return dialect(name).unavailable(err) }

// Stored reads the store's clock as transactions do.
func (db *DB) Stored() int64 { return db.now().UnixMilli() }
