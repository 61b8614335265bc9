"""The operations of `lambda`. A public function here is the operation of its name."""
