"""Speed of operators beside other programs: `jsra bench ops`."""
