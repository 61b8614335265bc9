"""The operations of `apigatewayv2`: HTTP APIs. A public function here is the operation of its name."""
