"""TaskFlow decorators of this package."""
