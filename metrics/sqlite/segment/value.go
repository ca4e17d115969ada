package segment

import "encoding/binary"

// The forms of a value. A value has a tag: one of these, or text of length tag−formText.
const (
	formUUID     = iota // 8-4-4-4-12 lower-case hexadecimal, 16 bytes
	formUUID7           // the same of version 7: time as a difference, 10 bytes
	formHex32           // 32 hexadecimal digits, 16 bytes
	formHex16           // 16 hexadecimal digits, 8 bytes
	formHex64           // 64 hexadecimal digits, 32 bytes
	formOTel            // "otel:" 32 digits ":" 16 digits, 24 bytes
	formTextBase        // the first tag of a text
)

// width is how many bytes a form has in the binary section.
func width(form int) int { return [...]int{16, 10, 16, 8, 32, 24}[form] }

const bad = 0xFF

// nibbles maps a lower-case hexadecimal digit to its value, all else to bad.
type nibbles [256]byte

func newNibbles() *nibbles {
	var t nibbles
	for i := range t {
		t[i] = bad
	}
	for i := range 10 {
		t['0'+i] = byte(i)
	}
	for i := range 6 {
		t['a'+i] = byte(10 + i)
	}
	return &t
}

// unhex appends the bytes of the digits s; ok is false when some are not digits.
func (t *nibbles) unhex(dst []byte, s string) ([]byte, bool) {
	seen := byte(0)
	for i := 0; i+1 < len(s); i += 2 {
		h, l := t[s[i]], t[s[i+1]]
		seen |= h | l
		dst = append(dst, h<<4|l)
	}
	return dst, seen < 16
}

// pack appends the binary form of s to dst; ok is false, and dst unchanged, when s
// has none.
func (t *nibbles) pack(dst []byte, s string) (_ []byte, form int, ok bool) {
	at := len(dst)
	switch len(s) {
	case 36:
		if s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
			return dst, 0, false
		}
		for _, part := range [...]string{s[:8], s[9:13], s[14:18], s[19:23], s[24:]} {
			if dst, ok = t.unhex(dst, part); !ok {
				return dst[:at], 0, false
			}
		}
		return dst, formUUID, true
	case 32:
		dst, ok = t.unhex(dst, s)
		form = formHex32
	case 16:
		dst, ok = t.unhex(dst, s)
		form = formHex16
	case 64:
		dst, ok = t.unhex(dst, s)
		form = formHex64
	case 54:
		if s[:5] != "otel:" || s[37] != ':' {
			return dst, 0, false
		}
		if dst, ok = t.unhex(dst, s[5:37]); ok {
			dst, ok = t.unhex(dst, s[38:])
		}
		form = formOTel
	}
	if !ok {
		return dst[:at], 0, false
	}
	return dst, form, true
}

const digits = "0123456789abcdef"

func hex(dst, src []byte) []byte {
	for _, b := range src {
		dst = append(dst, digits[b>>4], digits[b&15])
	}
	return dst
}

// unpack appends the characters of the binary form b.
func unpack(dst []byte, form int, b []byte) []byte {
	switch form {
	case formUUID:
		dst = append(hex(dst, b[:4]), '-')
		dst = append(hex(dst, b[4:6]), '-')
		dst = append(hex(dst, b[6:8]), '-')
		dst = append(hex(dst, b[8:10]), '-')
		return hex(dst, b[10:16])
	case formOTel:
		dst = append(hex(append(dst, "otel:"...), b[:16]), ':')
		return hex(dst, b[16:24])
	}
	return hex(dst, b)
}

// values is a list of strings being written.
type values struct {
	digits *nibbles
	tags   []byte
	text   []byte
	time   int64 // of the last version 7 UUID, ms
}

// add appends a value; its binary form goes to bin.
func (v *values) add(bin []byte, s string) []byte {
	at := len(bin)
	bin, form, ok := v.digits.pack(bin, s)
	if !ok {
		v.tags = binary.AppendUvarint(v.tags, uint64(len(s)+formTextBase))
		v.text = append(v.text, s...)
		return bin
	}
	if form == formUUID && bin[at+6]>>4 == 7 {
		id := bin[at:]
		ms := int64(binary.BigEndian.Uint64(id) >> 16)
		v.tags = append(v.tags, formUUID7)
		v.tags = binary.AppendVarint(v.tags, ms-v.time)
		v.time = ms
		copy(id, id[6:16])
		return bin[:at+10]
	}
	v.tags = append(v.tags, byte(form))
	return bin
}
