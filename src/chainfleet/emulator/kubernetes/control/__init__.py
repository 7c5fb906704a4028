"""The controllers of an emulated cluster: each moves the objects of one kind towards what they ask for."""
