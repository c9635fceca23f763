package main

type keyCmd struct{}

func (keyCmd) Run() error { return nil }
