module farthing.dev/tool

go 1.26.0
