// Command bench measures tidemark as a whole: the built program, started on a
// temporary folder of this machine and loaded over loopback by this process.
//
//	go run ./tests/bench                      ingest: NDJSON and OTLP, 4 and 16 connections, with ratios
//	go run ./tests/bench -fill 50000000 -reads -restart
//	go run ./tests/bench -flags             OFREP, beside a bare handler
//
// Both share the machine's cores. The baseline is a process that reads and decodes
// the same requests and does nothing else. The result is a table in Markdown on
// standard output; talk is on standard error.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// options are the command line.
type options struct {
	bin        string
	data       string
	formats    []string
	conns      []int
	duration   time.Duration
	baseline   bool
	fill       int
	span       time.Duration
	reads      bool
	background int
	restart    bool
	flags      bool
}

func main() {
	if len(os.Args) == 2 {
		switch os.Args[1] {
		case "baseline":
			exit(serveBaseline())
		case "bare":
			exit(serveBare())
		}
	}
	o, err := parse(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	exit(run(ctx, o))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func parse(args []string) (options, error) {
	var o options
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.StringVar(&o.bin, "bin", filepath.Join("bin", "tidemark"), "the built `program`")
	fs.StringVar(&o.data, "data", "", "`folder` for the stores, which stays: -reads and -restart may follow in another run; default: a temporary one that is removed")
	formats := fs.String("formats", "ndjson,otlp", "what to send: ndjson, otlp")
	conns := fs.String("conns", "4,16", "numbers of connections")
	fs.DurationVar(&o.duration, "d", 8*time.Second, "how long each measurement takes")
	fs.BoolVar(&o.baseline, "baseline", true, "also measure a server that only decodes")
	fs.IntVar(&o.fill, "fill", 0, "load so many events first, spread over -span; then -reads and -restart may follow")
	fs.DurationVar(&o.span, "span", 28*24*time.Hour, "the time over which -fill is spread")
	fs.BoolVar(&o.reads, "reads", false, "measure pages while -background events a second come in")
	fs.IntVar(&o.background, "background", 50_000, "events a second while pages are measured")
	fs.BoolVar(&o.restart, "restart", false, "kill the server and measure how soon it is ready again")
	fs.BoolVar(&o.flags, "flags", false, "measure evaluation over OFREP beside a bare handler, and how soon a change reaches 1,000 streams")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	o.formats = strings.Split(*formats, ",")
	for _, f := range o.formats {
		if f != formatNDJSON && f != formatOTLP {
			return o, fmt.Errorf("-formats: %q: want %s or %s", f, formatNDJSON, formatOTLP)
		}
	}
	for c := range strings.SplitSeq(*conns, ",") {
		n, err := strconv.Atoi(c)
		if err != nil || n < 1 || n > 1024 {
			return o, fmt.Errorf("-conns: %q: want numbers from 1 to 1024", c)
		}
		o.conns = append(o.conns, n)
	}
	if o.duration <= 0 || o.fill < 0 || o.span <= 0 || o.background < 0 {
		return o, fmt.Errorf("-d and -span must be positive; -fill and -background not negative")
	}
	return o, nil
}

func run(ctx context.Context, o options) error {
	dir := o.data
	if dir == "" {
		tmp, err := os.MkdirTemp("", "tidemark-bench-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(tmp) }() // nothing else can be done about it
		dir = tmp
	}
	fmt.Printf("%s, %d cores shared by server and generator, %s.\n\n", runtime.Version(), runtime.NumCPU(), time.Now().UTC().Format("2006-01-02"))
	if o.flags {
		return measureFlags(ctx, o, flagsDir(dir))
	}
	if o.fill > 0 || o.reads || o.restart {
		return measureStored(ctx, o, filepath.Join(dir, "stored"))
	}
	return measureIngest(ctx, o, dir)
}
