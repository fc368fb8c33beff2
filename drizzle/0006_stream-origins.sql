-- What streams were signed as was the gateway's origin, for all of them the same. Their issuers are made of it and of their place.
update webhook_endpoints set stream = (stream - 'issuer') || jsonb_build_object('origin', stream->>'issuer')
where stream ? 'issuer';
