// Command shop is a small order service as a team might have one today: it writes
// rows on a PostgreSQL primary, a reader follows a standby, and a filler keeps a
// Redis read cache. It is instrumented with the stock OpenTelemetry SDK and knows
// nothing of tidemark; where its spans go is said by the standard OTEL_* variables.
//
// It runs until its standard input is closed. On standard output it says, one JSON
// object a line, when it did what: the truth to compare a report with.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// destination is what the messaging conventions call the place that orders go to.
const destination = "orders"

func main() {
	if err := run(os.Stdin, os.Stdout, os.Args[1:]); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "shop:", err)
		os.Exit(1)
	}
}

type options struct {
	primary, standby string // PostgreSQL connection strings
	cache            string // host:port of Redis
	rate             int    // orders a second
	poll             time.Duration
}

func run(stdin io.Reader, stdout io.Writer, args []string) error {
	var o options
	fs := flag.NewFlagSet("shop", flag.ContinueOnError)
	fs.StringVar(&o.primary, "primary", "", "connection string of the primary")
	fs.StringVar(&o.standby, "standby", "", "connection string of the standby")
	fs.StringVar(&o.cache, "cache", "", "host:port of the read cache")
	fs.IntVar(&o.rate, "rate", 50, "orders a second")
	fs.DurationVar(&o.poll, "poll", 5*time.Millisecond, "how often the standby is asked for new rows")
	if err := fs.Parse(args); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, stdin)
		cancel()
	}()
	return serve(ctx, o, &diary{w: bufio.NewWriter(stdout)})
}

// serve runs the three roles until ctx is done or one of them fails.
func serve(ctx context.Context, o options, d *diary) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if err := createTable(ctx, o.primary); err != nil {
		return err
	}
	roles := map[string]func(context.Context, trace.Tracer, options, *diary) error{
		"orders-api": takeOrders, "standby-1": followStandby, "cache-eu": fillCache,
	}
	var wg sync.WaitGroup
	for name, role := range roles {
		wg.Go(func() {
			if err := withTracer(ctx, name, func(tr trace.Tracer) error { return role(ctx, tr, o, d) }); err != nil {
				cancel(fmt.Errorf("%s: %w", name, err))
			}
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// withTracer gives fn a tracer of a service of that name and flushes its spans
// when fn returns.
func withTracer(ctx context.Context, service string, fn func(trace.Tracer) error) error {
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return fmt.Errorf("open the exporter: %w", err)
	}
	res, err := resource.New(ctx, resource.WithHost(), resource.WithAttributes(attribute.String("service.name", service)))
	if err != nil {
		return fmt.Errorf("describe the service: %w", err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(res))
	err = fn(provider.Tracer("shop"))
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if ctx.Err() != nil {
		err = nil // stopped on purpose; whatever broke off did so because of that
	}
	return errors.Join(err, provider.Shutdown(stop))
}

func createTable(ctx context.Context, dsn string) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return fmt.Errorf("connect to the primary: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	_, err = conn.Exec(ctx, `CREATE TABLE IF NOT EXISTS orders (
		id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, item text NOT NULL, traceparent text NOT NULL)`)
	if err != nil {
		return fmt.Errorf("create the table: %w", err)
	}
	return nil
}

// takeOrders writes rate rows a second on the primary.
func takeOrders(ctx context.Context, tr trace.Tracer, o options, d *diary) error {
	conn, err := pgx.Connect(ctx, o.primary)
	if err != nil {
		return fmt.Errorf("connect to the primary: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	tick := time.NewTicker(time.Second / time.Duration(o.rate))
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		// An order that has begun is finished: broken off, it would be a span of which
		// nobody knows whether its row was written.
		if err := takeOrder(context.WithoutCancel(ctx), tr, conn, n, d); err != nil {
			return err
		}
	}
}

// takeOrder writes one row. The trace context travels in the row, as it would in a
// message's headers.
func takeOrder(ctx context.Context, tr trace.Tracer, conn *pgx.Conn, n int, d *diary) error {
	ctx, span := tr.Start(ctx, "send "+destination, trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(
		attribute.String("messaging.system", "postgresql"),
		attribute.String("messaging.operation.type", "send"),
		attribute.String("messaging.operation.name", "insert"),
		attribute.String("messaging.destination.name", destination),
	))
	defer span.End()
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)

	tx, err := conn.Begin(ctx)
	if err != nil {
		return fmt.Errorf("begin order %d: %w", n, err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	var id int64
	err = tx.QueryRow(ctx, `INSERT INTO orders (item, traceparent) VALUES ($1, $2) RETURNING id`,
		"item-"+strconv.Itoa(n), carrier.Get("traceparent")).Scan(&id)
	if err != nil {
		return fmt.Errorf("insert order %d: %w", n, err)
	}
	if _, err := tx.Exec(ctx, `SELECT pg_notify('orders', $1)`, strconv.FormatInt(id, 10)); err != nil {
		return fmt.Errorf("announce order %d: %w", id, err)
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("commit order %d: %w", id, err)
	}
	return d.note("written", id, span.SpanContext())
}

// followStandby sees each row as soon as the standby shows it.
func followStandby(ctx context.Context, tr trace.Tracer, o options, d *diary) error {
	conn, err := pgx.Connect(ctx, o.standby)
	if err != nil {
		return fmt.Errorf("connect to the standby: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	tick := time.NewTicker(o.poll)
	defer tick.Stop()
	last := int64(0)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		rows, err := newRows(ctx, conn, last)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if err := r.process(ctx, tr, d, "standby", nil); err != nil {
				return err
			}
			last = r.id
		}
	}
}

// fillCache puts each row that the primary announces into the cache.
func fillCache(ctx context.Context, tr trace.Tracer, o options, d *diary) error {
	conn, err := pgx.Connect(ctx, o.primary)
	if err != nil {
		return fmt.Errorf("connect to the primary: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	cache := redis.NewClient(&redis.Options{Addr: o.cache})
	defer func() { _ = cache.Close() }()
	if _, err := conn.Exec(ctx, `LISTEN orders`); err != nil {
		return fmt.Errorf("listen for orders: %w", err)
	}
	last := int64(0)
	for {
		// Rows from before LISTEN, and all of a burst, come with the first question.
		rows, err := newRows(ctx, conn, last)
		if err != nil {
			return err
		}
		for _, r := range rows {
			put := func(ctx context.Context) error {
				return cache.Set(ctx, "order:"+strconv.FormatInt(r.id, 10), r.item, 10*time.Minute).Err()
			}
			if err := r.process(ctx, tr, d, "cache", put); err != nil {
				return err
			}
			last = r.id
		}
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return fmt.Errorf("wait for orders: %w", err)
		}
	}
}

// row is one order with the trace context that wrote it.
type row struct {
	id          int64
	item        string
	traceparent string
}

// newRows returns the rows after last, oldest first; none when the table has not
// arrived yet.
func newRows(ctx context.Context, conn *pgx.Conn, last int64) ([]row, error) {
	var known bool
	if err := conn.QueryRow(ctx, `SELECT to_regclass('orders') IS NOT NULL`).Scan(&known); err != nil || !known {
		return nil, err
	}
	rows, err := conn.Query(ctx, `SELECT id, item, traceparent FROM orders WHERE id > $1 ORDER BY id`, last)
	if err != nil {
		return nil, fmt.Errorf("read rows after %d: %w", last, err)
	}
	found, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (row, error) {
		var o row
		err := r.Scan(&o.id, &o.item, &o.traceparent)
		return o, err
	})
	if err != nil {
		return nil, fmt.Errorf("read rows after %d: %w", last, err)
	}
	return found, nil
}

// process handles one row, once begun to its end, in a consumer span that is linked
// to the span that wrote it, and notes when it was done.
func (r row) process(ctx context.Context, tr trace.Tracer, d *diary, where string, put func(context.Context) error) error {
	from := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{"traceparent": r.traceparent})
	ctx, span := tr.Start(context.WithoutCancel(ctx), "process "+destination, trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithLinks(trace.LinkFromContext(from)),
		trace.WithAttributes(
			attribute.String("messaging.system", "postgresql"),
			attribute.String("messaging.operation.type", "process"),
			attribute.String("messaging.operation.name", "apply"),
			attribute.String("messaging.destination.name", destination),
		))
	defer span.End()
	if put != nil {
		if err := put(ctx); err != nil {
			return fmt.Errorf("put order %d: %w", r.id, err)
		}
	}
	return d.note(where, r.id, span.SpanContext())
}

// diary writes down what happened when, on this machine's clock.
type diary struct {
	mu sync.Mutex
	w  *bufio.Writer
}

func (d *diary) note(what string, id int64, in trace.SpanContext) error {
	at := time.Now().UnixNano()
	d.mu.Lock()
	defer d.mu.Unlock()
	err := json.NewEncoder(d.w).Encode(map[string]any{
		"what": what, "id": id, "at": at, "span": in.TraceID().String() + ":" + in.SpanID().String(),
	})
	return errors.Join(err, d.w.Flush())
}
