package plan

import (
	"database/sql"
	"fmt"
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

// statement is the constant part of an SQL statement.
type statement struct {
	text     string
	at       token.Position
	function string // in which it stands
	tx       bool   // in a method of *store.Tx, so about one tenant
}

var looksLikeSQL = regexp.MustCompile(`^\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\s`)

// statements folds the string constants of internal/store.
func statements(t *testing.T) []statement {
	t.Helper()
	constants, out := map[string]string{}, []statement{}
	files := slices.DeleteFunc(production(t), func(f file) bool { return f.pkg != "internal/store" })
	for _, f := range files {
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if spec, ok := n.(*ast.ValueSpec); ok && len(spec.Values) == len(spec.Names) {
				for i, name := range spec.Names {
					constants[name.Name] = fold(spec.Values[i], nil)
				}
			}
			return true
		})
	}
	for _, f := range files {
		for _, d := range f.ast.Decls {
			fn, _ := d.(*ast.FuncDecl)
			ast.Inspect(d, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.BinaryExpr, *ast.BasicLit:
					if text := fold(n.(ast.Expr), constants); looksLikeSQL.MatchString(text) {
						found := statement{text: text, at: fset.Position(n.Pos())}
						if fn != nil {
							found.function, found.tx = fn.Name.Name, receiver(fn) == "Tx"
						}
						out = append(out, found)
						return false
					}
				}
				return true
			})
		}
	}
	return out
}

func receiver(fn *ast.FuncDecl) string {
	if fn.Recv == nil {
		return ""
	}
	if star, ok := fn.Recv.List[0].Type.(*ast.StarExpr); ok {
		return star.X.(*ast.Ident).Name
	}
	return ""
}

// fold returns the text of a constant expression, empty for other expressions.
func fold(e ast.Expr, constants map[string]string) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind == token.STRING {
			s, _ := strconv.Unquote(e.Value)
			return s
		}
	case *ast.Ident:
		return constants[e.Name]
	case *ast.BinaryExpr:
		if e.Op == token.ADD {
			return fold(e.X, constants) + fold(e.Y, constants)
		}
	case *ast.ParenExpr:
		return fold(e.X, constants)
	}
	return ""
}

var parameter = regexp.MustCompile(`\$(\d+)`)

// Drivers that bind by number and drivers that bind by first appearance must agree.
func TestParametersAppearInOrder(t *testing.T) {
	t.Parallel()
	all := statements(t)
	if len(all) < 50 {
		t.Fatalf("only %d statements found: the search is broken", len(all))
	}
	for _, s := range all {
		next := 1
		for _, m := range parameter.FindAllStringSubmatch(s.text, -1) {
			switch n, _ := strconv.Atoi(m[1]); {
			case n > next:
				t.Errorf("%s: $%d appears before $%d: number parameters as they first appear", s.at, n, next)
			case n == next:
				next++
			}
		}
	}
}

var ofTenant = regexp.MustCompile(`tenant_id = \$\d|\(tenant_id, (?s:.*)VALUES \(\$1\b|tenants WHERE id = \$1|UPDATE tenants SET (?s:.*) WHERE id = \$`)

// Every statement of a tenant's transaction has the tenant.
func TestStatementsNameTheirTenant(t *testing.T) {
	t.Parallel()
	for _, s := range statements(t) {
		if s.tx && !ofTenant.MatchString(s.text) {
			t.Errorf("%s: this statement of Tx must have tenant_id:\n%s", s.at, s.text)
		}
	}
}

// Statements use only SQL with the same meaning in both databases.
func TestStatementsSpeakTheCommonTongue(t *testing.T) {
	t.Parallel()
	foreign := regexp.MustCompile(`(?i)\b(FOR UPDATE|ANY\s*\(|json_\w+|jsonb\w*|now\(\)|current_timestamp|datetime\(|strftime|ILIKE|REPLACE INTO|INSERT OR|AUTOINCREMENT|group_concat|\?\d*)(\b|$)|::`)
	for _, s := range statements(t) {
		if strings.HasSuffix(s.at.Filename, "_postgres.go") { // decision 040
			continue
		}
		if m := foreign.FindString(s.text); m != "" {
			t.Errorf("%s: %q has another meaning in SQLite than in PostgreSQL", s.at, m)
		}
	}
}

func TestMigrationsComeInPairs(t *testing.T) {
	t.Parallel()
	names := func(folder string) (out []string) {
		entries, err := os.ReadDir("internal/store/migrations/" + folder)
		if err != nil {
			t.Fatal(err)
		}
		for i, e := range entries {
			if out = append(out, e.Name()); !strings.HasPrefix(e.Name(), fmt.Sprintf("%04d_", i+1)) || !strings.HasSuffix(e.Name(), ".sql") {
				t.Errorf("%s/%s: migrations are numbered from 0001 without a gap", folder, e.Name())
			}
			b, err := os.ReadFile("internal/store/migrations/" + folder + "/" + e.Name())
			if err != nil {
				t.Fatal(err)
			}
			if s := string(b); strings.Contains(s, "NO TRANSACTION") || strings.Contains(s, "+goose Down") {
				t.Errorf("%s/%s: a migration must be one transaction and forward only", folder, e.Name())
			}
		}
		return out
	}
	if d := cmp.Diff(names("sqlite"), names("postgres")); d != "" {
		t.Errorf("the two folders differ (-sqlite +postgres):\n%s", d)
	}
}

// declared is the comment above a table in its migration: whether the export of an account and the
// clean-up job read it, and why not.
var declared = regexp.MustCompile(`(?m)^-- export: (yes|no \([^)]+\)), clean-up: (yes|no \([^)]+\))\nCREATE TABLE (\w+) \(`)

// A migration declares for each table whether export and clean-up use it.
func TestTablesDeclareExportAndCleanUp(t *testing.T) {
	t.Parallel()
	exported := map[string]bool{}
	for _, f := range production(t) {
		if f.name == "internal/account/export.go" {
			ast.Inspect(f.ast, func(n ast.Node) bool {
				if sel, ok := n.(*ast.SelectorExpr); ok {
					if x, ok := sel.X.(*ast.Ident); ok && x.Name == "tx" {
						exported[sel.Sel.Name] = true
					}
				}
				return true
			})
		}
	}
	uses := func(pattern string, in func(statement) bool) bool {
		text := regexp.MustCompile(pattern)
		return slices.ContainsFunc(statements(t), func(s statement) bool { return in(s) && text.MatchString(s.text) })
	}
	for table := range readSQLite(t, opened(t, storetest.SQLite(t))) {
		for _, folder := range []string{"sqlite", "postgres"} {
			line := declaration(t, folder, table)
			if line == nil {
				t.Errorf("%s: the migration in %s says above CREATE TABLE: -- export: yes or no (WHY), clean-up: yes or no (WHY)", table, folder)
				continue
			}
			if got := uses(`\b(FROM|JOIN) `+table+`\b`, func(s statement) bool { return s.tx && exported[s.function] }); got != (line[1] == "yes") {
				t.Errorf("%s: declared export: %s, but internal/account/export.go reads it: %t", table, line[1], got)
			}
			if got := uses(`^DELETE FROM `+table+`\b`, func(s statement) bool { return strings.HasPrefix(s.function, "Sweep") }); got != (line[2] == "yes") {
				t.Errorf("%s: declared clean-up: %s, but store's Sweep removes from it: %t", table, line[2], got)
			}
		}
	}
}

// declaration returns what the migrations of a directory declare about a table, nil for nothing.
func declaration(t *testing.T, folder, table string) []string {
	t.Helper()
	names, err := filepath.Glob("internal/store/migrations/" + folder + "/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range declared.FindAllStringSubmatch(string(b), -1) {
			if m[3] == table {
				return m
			}
		}
	}
	return nil
}

// schema is the columns, keys and unique indexes of each table.
type schema map[string][]string

func TestSchemasAreEqual(t *testing.T) {
	t.Parallel()
	lite := readSQLite(t, opened(t, storetest.BlankSQLite(t)))
	for table, facts := range lite {
		if table == "tenants" {
			continue
		}
		if !slices.ContainsFunc(facts, func(s string) bool { return strings.HasPrefix(s, "primary key (tenant_id,") }) {
			t.Errorf("%s: tenant_id leads every primary key", table)
		}
	}
	if len(lite) < 14 {
		t.Errorf("only %d tables: the search is broken", len(lite))
	}
	t.Run("postgres", func(t *testing.T) {
		if d := cmp.Diff(lite, readPostgres(t, opened(t, storetest.Blank(t)))); d != "" {
			t.Errorf("the schemas differ (-sqlite +postgres):\n%s", d)
		}
	})
}

// opened migrates the database and opens it without the store.
func opened(t *testing.T, url string) *sql.DB {
	t.Helper()
	db, err := store.Open(t.Context(), store.Config{URL: url, Keyring: storetest.Keyring(t), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	db.Close()
	driver := "pgx"
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		driver, url = "sqlite", path
	}
	raw, err := sql.Open(driver, url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close() })
	return raw
}

// read runs a query whose rows are a table and a fact about it.
func (s schema) read(t *testing.T, db *sql.DB, query string) {
	t.Helper()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	for rows.Next() {
		var table, fact string
		if err := rows.Scan(&table, &fact); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(table, "goose_") || strings.HasPrefix(table, "sqlite_") {
			continue
		}
		fact = strings.NewReplacer("BIGINT", "INTEGER", "BYTEA", "BLOB").Replace(fact)
		s[table] = append(s[table], fact)
		slices.Sort(s[table])
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}

func readSQLite(t *testing.T, db *sql.DB) schema {
	t.Helper()
	s := schema{}
	s.read(t, db, `SELECT m.name, c.name || ' ' || upper(c.type) || CASE WHEN c."notnull" = 1 THEN ' NOT NULL' ELSE '' END || COALESCE(' DEFAULT ' || c.dflt_value, '')
			|| CASE WHEN c.hidden > 1 THEN ' GENERATED' ELSE '' END
		FROM sqlite_master m, pragma_table_xinfo(m.name) c WHERE m.type = 'table'`)
	s.read(t, db, `SELECT name, 'primary key (' || group_concat(col, ', ') || ')' FROM (
		SELECT m.name AS name, c.name AS col FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table' AND c.pk > 0 ORDER BY m.name, c.pk) GROUP BY name`)
	s.read(t, db, `SELECT tab, kind || idx || ' (' || group_concat(col, ', ') || ')' || part FROM (
		SELECT m.name AS tab, i.name AS idx, x.name AS col, CASE WHEN i."unique" = 1 THEN 'unique ' ELSE 'index ' END AS kind,
			CASE WHEN i.partial = 1 THEN ' partial' ELSE '' END AS part
		FROM sqlite_master m, pragma_index_list(m.name) i, pragma_index_info(i.name) x WHERE m.type = 'table' AND i.origin = 'c' ORDER BY i.name, x.seqno) GROUP BY tab, idx`)
	s.read(t, db, `SELECT tab, 'foreign key (' || group_concat(f, ', ') || ') to ' || ref || ' (' || group_concat(g, ', ') || ') ' || del FROM (
		SELECT m.name AS tab, k.id AS id, k."from" AS f, k."table" AS ref, k."to" AS g, k.on_delete AS del
		FROM sqlite_master m, pragma_foreign_key_list(m.name) k WHERE m.type = 'table' ORDER BY m.name, k.id, k.seq) GROUP BY tab, id`)
	return s
}

func readPostgres(t *testing.T, db *sql.DB) schema {
	t.Helper()
	s := schema{}
	s.read(t, db, `SELECT c.relname, a.attname || ' ' || upper(format_type(a.atttypid, a.atttypmod)) || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END
			|| CASE WHEN a.attgenerated <> '' THEN ' GENERATED' ELSE COALESCE(' DEFAULT ' || replace(pg_get_expr(d.adbin, d.adrelid), '::text', ''), '') END
		FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
		WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped`)
	columns := `(SELECT string_agg(a.attname, ', ' ORDER BY k.n) FROM unnest(%s) WITH ORDINALITY AS k (num, n) JOIN pg_attribute a ON a.attrelid = %s AND a.attnum = k.num)`
	s.read(t, db, `SELECT c.relname, CASE WHEN i.indisprimary THEN 'primary key' ELSE CASE WHEN i.indisunique THEN 'unique ' ELSE 'index ' END || x.relname END
			|| ' (' || `+fmt.Sprintf(columns, "i.indkey", "c.oid")+` || ')' || CASE WHEN i.indpred IS NULL THEN '' ELSE ' partial' END
		FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid WHERE c.relnamespace = 'public'::regnamespace`)
	s.read(t, db, `SELECT c.relname, 'foreign key (' || `+fmt.Sprintf(columns, "f.conkey", "f.conrelid")+` || ') to ' || r.relname || ' (' || `+fmt.Sprintf(columns, "f.confkey", "f.confrelid")+` || ') '
			|| CASE f.confdeltype WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' WHEN 'r' THEN 'RESTRICT' ELSE 'NO ACTION' END
		FROM pg_constraint f JOIN pg_class c ON c.oid = f.conrelid JOIN pg_class r ON r.oid = f.confrelid WHERE f.contype = 'f' AND c.relnamespace = 'public'::regnamespace`)
	return s
}
