"""From a finished job to stored files: path template, download, media check, storing in one step."""
