"""Speed of operators and models compared with other programs: `jsra bench`."""
