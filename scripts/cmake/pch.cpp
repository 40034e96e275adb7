// Compiles nothing: it carries the precompiled header.
