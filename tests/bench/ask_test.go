package main

import "testing"

func TestAnAnswerIsComplete(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer string
		want   bool
	}{
		"nothing":             {"", false},
		"half a header":       {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", false},
		"a header":            {"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nDate: x\r\n\r\n", false},
		"all but a byte":      {"HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 12\r\n\r\n{\"a\":\"0123\"", false},
		"all":                 {"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nDate: x\r\n\r\n{\"a\":\"01234\"}", true},
		"an empty one":        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true},
		"a chunk":             {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n", false},
		"chunks":              {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n2\r\n1}\r\n0\r\n\r\n", true},
		"a chunk ending in 0": {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{\"a\":00000000000\r\n", false},
	} {
		if got, err := complete([]byte(c.answer)); got != c.want || err != nil {
			t.Errorf("%s: %v, %v; want %v", name, got, err, c.want)
		}
	}
	if _, err := complete([]byte("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")); err == nil {
		t.Error("an answer that is not 200 counts")
	}
}
