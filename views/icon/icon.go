// Package icon holds the drawings of the product: one stroke weight, one grid of 24.
package icon

func shape(tone string) string {
	switch tone {
	case "good":
		return "check"
	case "warn":
		return "triangle"
	case "bad":
		return "cross"
	case "tide":
		return "info"
	}
	return "question"
}

func paths(name string) string {
	switch name {
	case "overview":
		return "M4 5h16M4 12h10M4 19h13"
	case "features":
		return "M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4zM13 13h7v7h-7z"
	case "topology":
		return "M6 8a2 2 0 1 0 0-4 2 2 0 0 0 0 4zM6 20a2 2 0 1 0 0-4 2 2 0 0 0 0 4zM18 14a2 2 0 1 0 0-4 2 2 0 0 0 0 4zM8 7l8 4M8 17l8-4"
	case "writes":
		return "M12 20h8M16 4l4 4L9 19l-5 1 1-5z"
	case "conflicts":
		return "M6 4v5c0 3 6 3 6 7v4M18 4v5c0 3-6 3-6 7M3 6l3-3 3 3M15 6l3-3 3 3"
	case "guarantees":
		return "M12 3l8 3v6c0 4.5-3.3 7.8-8 9-4.7-1.2-8-4.5-8-9V6zM9 12l2 2 4-4"
	case "rules":
		return "M12 3v17M7 20h10M5 7h14M5 7l-3 6h6zM19 7l-3 6h6z"
	case "alerts":
		return "M18 9a6 6 0 0 0-12 0c0 6-2 7-2 7h16s-2-1-2-7M10 20a2 2 0 0 0 4 0"
	case "access":
		return "M9 11a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM2 21c0-4 3-6 7-6s7 2 7 6M17 8l2 2 3-4"
	case "pipeline":
		return "M3 12h4l3-7 4 14 3-7h4"
	case "rollouts":
		return "M3 20h4v-4h5v-5h5V6h4"
	case "flags":
		return "M5 21V4M5 5c4-3 8 3 14 0v9c-6 3-10-3-14 0"
	case "cohorts":
		return "M9 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM3 20c0-4 3-6 6-6s6 2 6 6M16 5a3 3 0 0 1 0 6M18 14c2 1 3 3 3 6"
	case "audit":
		return "M6 3h9l4 4v14H6zM15 3v4h4M9 12h7M9 16h7M9 8h3"
	case "policies":
		return "M12 4v16M8 20h8M4 7h16M7 7l-3 7a3 3 0 0 0 6 0zM17 7l-3 7a3 3 0 0 0 6 0z"
	case "labels":
		return "M4 4h8l8 8-8 8-8-8zM8.5 8.5h.01"
	case "violations":
		return "M8 3h8l5 5v8l-5 5H8l-5-5V8zM12 8v5M12 16h.01"
	case "search":
		return "M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM20 20l-4-4"
	case "theme":
		return "M12 4a8 8 0 1 0 0 16zM12 4a8 8 0 0 1 0 16"
	case "keyboard":
		return "M3 6h18v12H3zM7 10h.01M11 10h.01M15 10h.01M17 14h.01M7 14h.01M10 14h4"
	case "download":
		return "M12 4v11M7 11l5 5 5-5M5 20h14"
	case "copy":
		return "M9 9h11v11H9zM5 15H4V4h11v1"
	case "link":
		return "M9 15l6-6M11 6l2-2a4.2 4.2 0 0 1 6 6l-2 2M13 18l-2 2a4.2 4.2 0 0 1-6-6l2-2"
	}
	return signs(name)
}

// signs are the shapes of tones and of the stages of a write.
func signs(name string) string {
	switch name {
	case "check":
		return "M5 12.5l4.5 4.5L19 7.5"
	case "triangle":
		return "M12 4l9 16H3zM12 10v4M12 17h.01"
	case "cross":
		return "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM9 9l6 6M15 9l-6 6"
	case "question":
		return "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM9.5 9.5c.3-3 5-3 5-.2 0 2-2.5 2-2.5 4M12 17h.01"
	case "info":
		return "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 11v6M12 7.5h.01"
	case "clock":
		return "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 7v5l3 2"
	case "dot":
		return "M12 17a5 5 0 1 0 0-10 5 5 0 0 0 0 10z"
	case "eye":
		return "M2 12s3.5-7 10-7 10 7 10 7-3.5 7-10 7-10-7-10-7zM12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6z"
	case "send":
		return "M4 12h14M12 6l6 6-6 6"
	case "save":
		return "M5 4h11l3 3v13H5zM8 4v5h7V4M8 20v-6h8v6"
	case "inbox":
		return "M4 13l3-9h10l3 9v7H4zM4 13h5l1 3h4l1-3h5"
	}
	return ""
}
