package engine

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/stdlib"

	"countersign/bench/made"
	"countersign/event"
)

// ErrNoPostgres says that there is no PostgreSQL on this machine.
var ErrNoPostgres = errors.New("there is no PostgreSQL here: install postgresql-15 (its binaries are looked for in PATH and under /usr/lib/postgresql)")

// copyConnections is how many connections load the table.
const copyConnections = 2

// Postgres is a PostgreSQL server of our own.
type Postgres struct {
	database
	bin, dir, data string
	as             *syscall.Credential // who runs it: it refuses root
	process        *process
	version        string
	trigrams       bool
}

// NewPostgres makes a cluster in dir and starts it. Only this machine's processes reach it, through a socket in
// the directory.
func NewPostgres(ctx context.Context, dir string) (*Postgres, error) {
	p := &Postgres{dir: dir, data: filepath.Join(dir, "cluster")}
	var err error
	if p.bin, err = postgresBin(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if os.Getuid() == 0 {
		if p.as, err = credentialOf("postgres"); err != nil {
			return nil, fmt.Errorf("PostgreSQL refuses root: %w", err)
		}
		if err := os.Chown(dir, int(p.as.Uid), int(p.as.Gid)); err != nil {
			return nil, err
		}
	}
	initdb := exec.CommandContext(ctx, filepath.Join(p.bin, "initdb"), "-D", p.data, "-U", "bench", "--auth=trust", "--encoding=UTF8", "--lc-collate=C", "--lc-ctype=C.UTF-8", "--no-sync")
	initdb.SysProcAttr = &syscall.SysProcAttr{Credential: p.as}
	initdb.Dir = dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("make a PostgreSQL cluster: %w\n%s", err, out)
	}
	if err := p.start(ctx); err != nil {
		return nil, err
	}
	if err := p.makeTable(ctx); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// HavePostgres tells whether there is a PostgreSQL on this machine.
func HavePostgres() error {
	_, err := postgresBin()
	return err
}

// postgresBin returns the newest folder with the server's binaries.
func postgresBin() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		return "", ErrNoPostgres
	}
	return filepath.Dir(found[len(found)-1]), nil
}

func credentialOf(name string) (*syscall.Credential, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// settings are what an administrator would set on a machine with so much memory, for a server that shares it
// with another: a quarter of it, at most 4 GiB, as shared buffers. Everything that makes a commit durable stays
// on.
func settings(memory int64) []string {
	shared := min(memory/4, 4<<30)
	mb := func(n int64) string { return fmt.Sprintf("%dMB", n>>20) }
	return []string{
		"listen_addresses=", "max_connections=20", "log_min_messages=warning",
		"shared_buffers=" + mb(shared), "effective_cache_size=" + mb(memory/2),
		"work_mem=" + mb(min(memory/64, 256<<20)), "maintenance_work_mem=" + mb(min(memory/16, 1<<30)),
		"max_wal_size=8GB", "checkpoint_timeout=15min", "wal_compression=on", "random_page_cost=1.1", "effective_io_concurrency=200",
		"default_statistics_target=500", "max_parallel_workers_per_gather=2", "max_parallel_maintenance_workers=2",
	}
}

func (p *Postgres) start(ctx context.Context) error {
	args := []string{"-D", p.data, "-k", p.dir}
	for _, s := range settings(MemoryBytes()) {
		args = append(args, "-c", s)
	}
	cmd := exec.Command(filepath.Join(p.bin, "postgres"), args...)
	cmd.Dir = p.dir
	var err error
	if p.process, err = start("postgres", filepath.Join(p.dir, "postgres.log"), p.as, nil, cmd); err != nil {
		return err
	}
	p.db, err = sql.Open("pgx", "host="+p.dir+" user=bench dbname=postgres default_query_exec_mode=exec")
	for began := time.Now(); err == nil; time.Sleep(20 * time.Millisecond) {
		if err = p.db.PingContext(ctx); err == nil {
			return nil
		}
		if p.process.ended() == nil && ctx.Err() == nil && time.Since(began) < stopWait {
			err = nil // not yet
		}
	}
	p.process.kill()
	if p.db != nil {
		err = errors.Join(err, p.db.Close())
	}
	return fmt.Errorf("start PostgreSQL: %w\n%s", err, p.process.tail())
}

// makeTable makes the table with its indexes, which are there while it is filled, as they are in a server that
// takes events all the time.
func (p *Postgres) makeTable(ctx context.Context) error {
	if err := p.db.QueryRowContext(ctx, "SHOW server_version").Scan(&p.version); err != nil {
		return err
	}
	for _, s := range append([]string{createTable()}, indexes(OrderByText(p.Fold, "actor_name", false))...) {
		if _, err := p.db.ExecContext(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

// Name tells which engine it is.
func (p *Postgres) Name() string { return "PostgreSQL" }

// Version tells of which release.
func (p *Postgres) Version() string {
	if p.trigrams {
		return p.version + ", with pg_trgm"
	}
	return p.version
}

// Load copies the events into the table, a block in a transaction, and makes the indexes of trigrams
// afterwards, where they can be had.
func (p *Postgres) Load(ctx context.Context, t made.Trail, at *Places) (Load, error) {
	p.db.SetMaxIdleConns(copyConnections)
	m := newMeter(func() usage { return usageOfTree(p.process.pid()) })
	into := "COPY entries (" + strings.Join(columnNames, ", ") + ") FROM STDIN"
	const blocks = 10 // in a transaction
	err := inParallel(ctx, copyConnections, (t.Blocks()+blocks-1)/blocks, func(ctx context.Context, b *buffers, i int) error {
		b.body = b.body[:0]
		for block := i * blocks; block < min((i+1)*blocks, t.Blocks()); block++ {
			b.events = t.Append(b.events[:0], block)
			for j := range b.events {
				e := event.Entry{Event: b.events[j], Seq: at.Seq(block*made.BlockLen + j)}
				b.body = appendCopy(b.body, &e)
			}
		}
		return p.copy(ctx, into, b.body)
	})
	l := m.load(t.N)
	if err != nil {
		return l, fmt.Errorf("load PostgreSQL: %w", err)
	}
	began := time.Now()
	err = p.finish(ctx)
	l.Indexes = time.Since(began)
	return l, err
}

// finish makes what is cheaper to make afterwards.
func (p *Postgres) finish(ctx context.Context) error {
	after := []string{"VACUUM (ANALYZE) entries"}
	if _, err := p.db.ExecContext(ctx, "CREATE EXTENSION pg_trgm"); err == nil {
		p.trigrams = true
		after = append([]string{
			"CREATE INDEX by_actor_part ON entries USING gin (lower(actor_name) gin_trgm_ops)",
			"CREATE INDEX by_name_part ON entries USING gin (lower(resource_name) gin_trgm_ops)",
		}, after...)
	}
	for _, s := range append(after, "CHECKPOINT") {
		if _, err := p.db.ExecContext(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

func (p *Postgres) copy(ctx context.Context, into string, rows []byte) error {
	conn, err := p.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Raw(func(c any) error {
		_, err := c.(*stdlib.Conn).Conn().PgConn().CopyFrom(ctx, bytes.NewReader(rows), into)
		return err
	})
}

// appendCopy appends a row in the text format of COPY.
func appendCopy(b []byte, e *event.Entry) []byte {
	for i, c := range columns {
		if i > 0 {
			b = append(b, '\t')
		}
		switch v := c.value(e).(type) {
		case nil:
			b = append(b, `\N`...)
		case int64:
			b = strconv.AppendInt(b, v, 10)
		case string:
			b = appendEscaped(b, v)
		}
	}
	return append(b, '\n')
}

func appendEscaped(b []byte, s string) []byte {
	for i := range len(s) {
		switch c := s[i]; c {
		case '\\':
			b = append(b, `\\`...)
		case '\n':
			b = append(b, `\n`...)
		case '\r':
			b = append(b, `\r`...)
		case '\t':
			b = append(b, `\t`...)
		default:
			b = append(b, c)
		}
	}
	return b
}

// Reopen restarts the server.
func (p *Postgres) Reopen(ctx context.Context) error {
	if err := p.Close(); err != nil {
		return err
	}
	return p.start(ctx)
}

// Fold returns the expression for a text without regard to case.
func (p *Postgres) Fold(column string) string { return "lower(" + column + ")" }

// Contains returns the expression for a text that contains another without regard to case.
func (p *Postgres) Contains(column, needle string) string {
	return "lower(" + column + ") LIKE " + Quote("%"+needle+"%")
}

// Bytes returns the sizes of the table and of each index.
func (p *Postgres) Bytes(ctx context.Context) (map[string]int64, error) {
	rows, err := p.Strings(ctx, `SELECT 'table', pg_table_size('entries')::text
		UNION ALL SELECT indexrelid::regclass::text, pg_relation_size(indexrelid)::text FROM pg_index WHERE indrelid = 'entries'::regclass`)
	if err != nil {
		return nil, err
	}
	all := map[string]int64{}
	for _, r := range rows {
		if all[r[0]], err = strconv.ParseInt(r[1], 10, 64); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// AnonBytes is the memory of the server and its processes, with the shared one.
func (p *Postgres) AnonBytes() int64 {
	u := usageOfTree(p.process.pid())
	return u.anon + u.shared
}

// Close stops the server: a fast shutdown, which ends sessions and keeps what is committed.
func (p *Postgres) Close() error {
	return errors.Join(p.db.Close(), p.process.stop(syscall.SIGINT))
}
