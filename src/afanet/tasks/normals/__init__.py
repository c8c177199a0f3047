"""Which way what each pixel shows is facing."""
