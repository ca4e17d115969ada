package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// measured is one line of the table.
type measured struct {
	*result
	usage
	disk int64 // bytes written
}

// measureIngest loads a fresh server for each format and number of connections,
// and right after it the baseline, so that both meet the same machine.
func measureIngest(ctx context.Context, o options, dir string) error {
	fmt.Println("| requests | connections | server | events/s | of baseline | p50 | p99 | CPU/event | peak memory | bytes/event on disk |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|---|")
	for _, format := range o.formats {
		for _, conns := range o.conns {
			p := plan{format: format, conns: conns, duration: o.duration}
			fmt.Fprintf(os.Stderr, "%s, %d connections…\n", format, conns)
			whole, err := ingestTidemark(ctx, o, p, filepath.Join(dir, fmt.Sprintf("%s-%d", format, conns)))
			if err != nil {
				return err
			}
			base := 0.0
			if o.baseline {
				b, err := ingestBaseline(ctx, p)
				if err != nil {
					return err
				}
				base = b.perSecond()
				b.print(p, "decodes only", base)
			}
			whole.print(p, "tidemark", base)
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
	return nil
}

func (m *measured) print(p plan, server string, base float64) {
	ratio, disk := "", ""
	if base > 0 {
		ratio = fmt.Sprintf("%.2f", m.perSecond()/base)
	}
	if m.disk > 0 {
		disk = fmt.Sprintf("%.0f", float64(m.disk)/float64(m.events))
	}
	size := float64(m.bytes) / float64(max(m.items, 1))
	what := p.format
	if m.events != m.items {
		what = fmt.Sprintf("%s (%.2f events a span)", p.format, float64(m.events)/float64(max(m.items, 1)))
	}
	fmt.Printf("| %s, %d × %.0f B | %d | %s | %.0f | %s | %s | %s | %.2f µs | %.0f MB | %s |\n",
		what, perRequest, size, p.conns, server, m.perSecond(), ratio,
		quantile(m.latencies, 0.5).Round(10*time.Microsecond), quantile(m.latencies, 0.99).Round(10*time.Microsecond),
		float64(m.cpu.Nanoseconds())/1e3/float64(max(m.events, 1)), float64(m.peak)/1e6, disk)
	if m.refused > 0 {
		fmt.Fprintf(os.Stderr, "%d requests were refused for overload and sent again\n", m.refused)
	}
}

func ingestTidemark(ctx context.Context, o options, p plan, dir string) (*measured, error) {
	s, t, err := start(ctx, o.bin, dir)
	if err != nil {
		return nil, err
	}
	defer s.Kill()
	m, err := measure(ctx, t, p, s.PID())
	if err != nil {
		return nil, err
	}
	// A stopped store has written everything that it keeps, its rollups included.
	if err := s.Stop(time.Minute); err != nil {
		return nil, err
	}
	m.disk, err = onDisk(dir)
	return m, err
}

func ingestBaseline(ctx context.Context, p plan) (*measured, error) {
	stop, t, pid, err := startBaseline()
	if err != nil {
		return nil, err
	}
	defer stop()
	return measure(ctx, t, p, pid)
}

func measure(ctx context.Context, t target, p plan, pid int) (*measured, error) {
	before, err := used(pid)
	if err != nil {
		return nil, err
	}
	r, err := load(ctx, t, p)
	if err != nil {
		return nil, err
	}
	after, err := used(pid)
	if err != nil {
		return nil, err
	}
	return &measured{result: r, usage: usage{cpu: after.cpu - before.cpu, peak: after.peak}}, nil
}
