"""Speed of operators next to other programs: `jsra bench ops`."""
