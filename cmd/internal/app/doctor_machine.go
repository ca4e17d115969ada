package app

import (
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

// future complains about what was stored at a time that has not come yet: then the
// clock was set back, and windows, expiries and rollouts are judged by it.
func (x *Examination) future(what string, at int64, now time.Time) {
	if at == 0 {
		return
	}
	if ahead := time.Unix(0, at).Sub(now); ahead > time.Second {
		x.warn("clock", "Find out what set the clock back (chronyc tracking, timedatectl) before anything is decided by it.",
			"the %s was stored %s from now: the clock was set back", what, ahead.Round(time.Second))
	}
}

// clock asks the system whether it is kept in step by somebody.
func (x *Examination) clock(now time.Time) {
	if now.Year() < 2025 {
		x.warn("clock", "Set the clock.", "it says %s", now.UTC().Format(time.RFC3339))
		return
	}
	known, synced, off := clockState()
	switch {
	case !known:
		x.ok("clock", "says %s; this system does not say whether it is kept in step", now.UTC().Format(time.RFC3339))
	case !synced:
		x.warn("clock", "Run a time service such as chrony or systemd-timesyncd.", "nothing keeps it in step; lags between machines may be off by as much as it is")
	default:
		x.ok("clock", "is kept in step, to within %s", off)
	}
}

// Bounds of free space: below the first nothing can be opened, below the second the store
// is about to stop, below the third merging and backups have no room.
const (
	noneFree  = 1 << 20
	leastFree = 64 << 20
	tenth     = 10
)

func (x *Examination) disk(dir string) {
	free, all, err := diskSpace(dir)
	const do = "Make room, or shorten --retain-raw."
	switch {
	case err != nil:
		x.warn("disk", "", "its free space is unknown: %v", err)
	case free < leastFree:
		x.fail("disk", do, fmt.Errorf("%d of %d bytes are free: events are about to be refused", free, all))
	case free < all/tenth:
		x.warn("disk", do, "%d of %d bytes are free, less than a tenth: backups and merging may have no room", free, all)
	default:
		x.ok("disk", "%d of %d bytes are free", free, all)
	}
}

// settings looks for what is risky in how the server is to be run.
func (x *Examination) settings(o Options) {
	host, _, err := net.SplitHostPort(o.Listen)
	if err != nil {
		x.fail("listen", "Give HOST:PORT.", fmt.Errorf("%q: %w", o.Listen, err))
		return
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	loopback := host == "localhost" || (ip != nil && ip.IsLoopback())
	tls, https := o.TLS.Cert != "", strings.HasPrefix(o.PublicURL, "https://")
	switch {
	case loopback || tls:
		x.ok("listen", "%s", o.Listen)
	case https && len(o.Proxies) > 0:
		x.ok("listen", "%s, behind a proxy that speaks HTTPS", o.Listen)
	case https:
		x.warn("listen", "Name the proxy's network with --trusted-proxy.", "%s: a proxy speaks HTTPS, and limits take its address for everybody's", o.Listen)
	default:
		x.warn("listen", "Give --tls-cert and --tls-key, or listen on 127.0.0.1 behind a proxy that speaks HTTPS.",
			"%s without TLS: keys, passwords and events go over the network in the clear", o.Listen)
	}
	if tls {
		x.keyFile(o.TLS)
	}
	for _, origin := range o.Origins {
		if origin == "*" {
			x.warn("origins", "Name the origins that evaluate flags.", "pages of every site may evaluate flags")
		}
	}
}

func (x *Examination) keyFile(files TLSFiles) {
	if err := files.check(""); err != nil {
		x.fail("certificate", "Give both --tls-cert and --tls-key.", err)
		return
	}
	st, err := os.Stat(files.Key)
	if err != nil {
		x.fail("certificate", "See that the file is there and may be read.", err)
		return
	}
	if mode := st.Mode().Perm(); mode&0o077 != 0 {
		x.warn("certificate", "chmod 0600 "+files.Key, "others on this machine may read its key: %04o", mode)
		return
	}
	x.ok("certificate", "only its owner may read its key")
}
