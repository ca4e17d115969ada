package real

import (
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// startRedis starts a cache that keeps nothing on disk and returns its address.
func startRedis(t *testing.T, as account) string {
	t.Helper()
	bin, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("redis-server is not installed (Debian: apt-get install redis-server)")
	}
	port := freePort(t)
	as.serve(t, syscall.SIGTERM, as.folder(t), bin, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
	addr := "127.0.0.1:" + port
	eventually(t, 10*time.Second, "redis answers", answers(addr))
	return addr
}
